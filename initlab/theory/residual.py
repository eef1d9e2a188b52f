"""How fast does the stream of a residual network grow?"""

from __future__ import annotations

from initlab.arguments import number, unknown, whole

KINDS = ("plain", "scaled", "normalised")


def residual_growth(blocks: int, kind: str = "plain", branch_factor: float = 1.0) -> float:
    """Give the factor by which E[x²] grows from the first block to the last.

    Branch and stream are uncorrelated at the start, so their second moments add up:

    - plain, x + f(x): (1 + b)^L, which is 2^L for a branch that keeps the second moment;
    - scaled, x + f(x)/√L: (1 + b/L)^L, which stays below e^b;
    - normalised, x + f(norm(x)): 1 + bL, for a stream that starts at 1.

    Args:
        blocks: L, at least 1.
        kind: "plain", "scaled" or "normalised".
        branch_factor: b, by which the branch alone multiplies the second moment; at least 0.
            0 is a branch whose last layer or norm is zero.

    Returns:
        The factor of the second moment; its root is the factor of the rms.

    Raises:
        ValueError: `blocks` is below 1, `kind` is unknown, or `branch_factor` is negative or not
            finite.

    Reference:
        Zhang et al. (2019), Fixup Initialization: Residual Learning Without Normalization.
        arXiv:1901.09321; De & Smith (2020), Batch Normalization Biases Residual Blocks Towards the
        Identity Function in Deep Networks. arXiv:2002.10444.

    >>> residual_growth(16), round(residual_growth(16, "scaled"), 2)
    (65536.0, 2.64)
    """
    whole("blocks", blocks)
    number("branch_factor", branch_factor, low=0)
    if kind == "plain":
        return float((1 + branch_factor) ** blocks)
    if kind == "scaled":
        return float((1 + branch_factor / blocks) ** blocks)
    if kind == "normalised":
        return 1 + branch_factor * blocks
    raise ValueError(unknown("kind", kind, KINDS))
