"""How is a number written, in a sentence, a label or a text alternative?

One answer for the whole package, in plain text that a screen reader speaks well.
"""

from __future__ import annotations

import math

_SMALL, _LARGE = 1e-3, 1e5  # from here to there digits are easier to read than a power of ten


def number(value: float, digits: int = 2) -> str:
    """Write a measured number with few digits: 0.98, 120, 3.2e-6.

    The number is rounded first, so that 0.0009999 is 0.001 and not 1e-3, and zeros that say
    nothing are left out. For a count, which has no error, write the number itself.

    Args:
        value: Any number, also nan and infinite ones.
        digits: Significant digits, 1 or more.

    Returns:
        Plain digits for what is (once rounded) 0 or from 0.001 to below 100,000 in size, a power
        of ten beyond; "nan", "inf" or "-inf".

    >>> number(0.98), number(1.0), number(12345.6), number(3.04e-6), number(2.30259, digits=4)
    ('0.98', '1', '12000', '3e-6', '2.303')
    """
    written = f"{float(value):.{digits - 1}e}"
    rounded = float(written) + 0.0  # no -0
    if rounded == 0 or not math.isfinite(rounded) or _SMALL <= abs(rounded) < _LARGE:
        return f"{rounded:.15g}"
    mantissa, exponent = written.split("e")
    return f"{float(mantissa):.15g}e{int(exponent)}"


def percent(share: float) -> str:
    """Write a share, usually 0 to 1, in whole percent, 0 and 100 only where it is exactly that.

    >>> percent(0.124), percent(0.004), percent(0.9999), percent(1)
    ('12 %', 'less than 1 %', 'more than 99 %', '100 %')
    """
    if 0 < share < 0.01:
        return "less than 1 %"
    if 0.99 < share < 1:
        return "more than 99 %"
    return f"{100 * share:.0f} %"


def times(factor: float) -> str:
    """Write a factor, to be followed by what it multiplies.

    >>> times(4), times(1.2345), times(2e-9)
    ('4 times', '1.2 times', '2e-9 times')
    """
    return f"{number(factor)} times"
