"""How many rows suffice to build the others, how many differ, and how long are the axes?

The *rank* forgives rounding, since a rank is never exact. *Different rows* are different bit for
bit, since that decides whether two units can ever part: the same bits get the same gradient. Who
asks whether rows differ by more than rounding passes a tolerance.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor


def rank(matrices: Tensor, *, tolerance: float | None = None) -> Tensor:
    """Return the rank of each matrix, as `torch.linalg.matrix_rank` does.

    Most weights have full rank, which is proved at a small part of the cost of singular values.

    Args:
        matrices: One matrix or many, of floats.
        tolerance: Singular values up to this share of the largest one count as zero, 0 to 1.
            `None` is what rounding can make of zero: max(rows, columns) times the spacing of the
            dtype at 1 (of float32 where the dtype is narrower).

    Returns:
        Ranks in float64 on the CPU, NaN where a matrix is not finite.

    Shape:
        matrices (..., rows, columns); answer (...).

    >>> rank(torch.stack([torch.eye(3), torch.ones(3, 3), torch.zeros(3, 3)]))
    tensor([3., 1., 0.], dtype=torch.float64)
    """
    if tolerance is None:
        precision = torch.promote_types(matrices.dtype, torch.float32)
        tolerance = max(matrices.shape[-2:]) * torch.finfo(precision).eps
    small, finite = _finite(matrices if matrices.shape[-2] <= matrices.shape[-1] else matrices.mT)
    ranks = torch.zeros(finite.shape, dtype=torch.float64)
    if small.numel():
        full = _have_full_rank(small.reshape(-1, *small.shape[-2:]), tolerance).view(finite.shape)
        ranks += full * small.shape[-2]
        if not full.all():
            sizes = torch.linalg.svdvals(small[~full])
            ranks[~full] = (sizes > tolerance * sizes[..., :1]).sum(-1).double()
    return ranks.where(finite, torch.nan)


def _have_full_rank(matrices: Tensor, tolerance: float) -> Tensor:
    """Try to prove that all singular values are above t, `tolerance` times the largest one.

    They are if M·Mᴴ − t²·I has a Cholesky factor, for M (rows, columns) with rows ≤ columns.
    """
    gram = matrices @ matrices.mH
    bound = gram.abs().sum(-1).amax(-1)  # at least the largest singular value, squared
    gram.diagonal(dim1=-2, dim2=-1).sub_((tolerance**2 * bound)[..., None])
    proved: Tensor = torch.linalg.cholesky_ex(gram).info == 0
    return proved


def distinct_rows(matrices: Tensor, *, tolerance: float = 0.0) -> Tensor:
    """Count the rows of each matrix that differ from every row above them.

    Args:
        matrices: One matrix or many.
        tolerance: Rows are the same if no two entries are farther apart than this share of the
            matrix's largest entry. 0 compares bit for bit (0 and −0 are the same).

    Returns:
        Counts, on the CPU.

    Shape:
        matrices (..., rows, columns); answer (...).

    >>> distinct_rows(torch.tensor([[1.0, 2.0], [1.0, 2.0], [1.0, 2.001]]))
    tensor(2)
    >>> distinct_rows(torch.tensor([[1.0, 2.0], [1.0, 2.0], [1.0, 2.001]]), tolerance=0.01)
    tensor(1)
    """
    matrices = matrices.detach().to("cpu", torch.float64)
    if tolerance == 0:
        every = (matrices[None] + 0.0).flatten(0, -3)  # −0 becomes 0
        counts = [len({row.tobytes() for row in rows}) for rows in every.numpy()]
        return torch.tensor(counts).reshape(matrices.shape[:-2])
    gaps = torch.cdist(matrices, matrices, p=math.inf)
    largest = matrices.abs().amax((-2, -1), keepdim=True)
    copies = torch.tril(gaps <= tolerance * largest, diagonal=-1).any(-1)
    return (~copies).sum(-1)


def singular_values(matrices: Tensor) -> Tensor:
    """Return the singular values of each matrix, largest first, in float64 on the CPU.

    They are NaN for a matrix that is not finite.
    """
    matrices, finite = _finite(matrices)
    values: Tensor = torch.linalg.svdvals(matrices)
    return values.where(finite[..., None], torch.nan)


def _finite(matrices: Tensor) -> tuple[Tensor, Tensor]:
    """Return matrices in double precision on the CPU, those not finite as zeros; and which."""
    matrices = matrices.detach()
    precise = matrices.to("cpu", torch.complex128 if matrices.is_complex() else torch.float64)
    finite = ((matrices * 0).sum((-2, -1)) == 0).cpu()  # inf and NaN give NaN
    return (precise if finite.all() else precise.where(finite[..., None, None], 0.0)), finite
