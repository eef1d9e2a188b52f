"""Which schemes can an explorer offer? Those that fill a matrix, also those registered later."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from initlab.schemes import SCHEMES, Scheme


def fills_a_matrix(scheme: Scheme) -> bool:
    """Say whether a scheme can fill a matrix."""
    low, high = scheme.dims
    return low <= 2 <= (high or 2)


def fills_a_random_matrix(scheme: Scheme) -> bool:
    """Say whether a scheme fills a matrix with random numbers of mean 0."""
    is_random = fills_a_matrix(scheme) and scheme.centred
    return is_random and bool(scheme.variance(64, 64))


class SchemeOptions(Mapping[str, str]):
    """The options of a list of schemes: name → what the list shows, in teaching order.

    Args:
        *others: Names behind them, for a choice that is no scheme.
        fits: Which schemes of `il.SCHEMES` are offered.
    """

    def __init__(self, *others: str, fits: Callable[[Scheme], bool] = fills_a_matrix) -> None:
        self._others, self._fits = others, fits

    def _names(self) -> list[str]:
        return [*(name for name, one in SCHEMES.items() if self._fits(one)), *self._others]

    def __getitem__(self, name: str) -> str:
        if name not in self._names():
            raise KeyError(name)
        return name

    def __iter__(self) -> Iterator[str]:
        return iter(self._names())

    def __len__(self) -> int:
        return len(self._names())
