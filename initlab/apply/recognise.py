"""Which scheme do these numbers look like?

What can be told exactly comes first (constants, the identity, equal singular values, zeros by
column), then the distributions: of all schemes with their usual arguments, those whose likelihood
is within what so many numbers can tell, the plainest first; and at last plain numbers.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from initlab import format
from initlab.apply.distributions import (
    MARGIN,
    Distribution,
    Statistics,
    best_of,
    cut_moments,
    statistics,
    uniform,
    unstructured,
)
from initlab.schemes import SCHEMES, Scheme, TruncNormal, Uniform, fans
from initlab.schemes import scheme as find_scheme

_ENOUGH = 256  # fewer numbers follow too many distributions to give one plain numbers
_CLOSE = 3.0  # how much better a fit may be, in logarithms, than a name that is beyond doubt
_HUGE = 1e6  # no scheme gives that; memory that nobody wrote to does
_GAINS = {"tanh": 5 / 3, "relu": math.sqrt(2), "selu": 3 / 4}  # of torch.nn.init.calculate_gain
_USUAL_GAINS = (1.0, *_GAINS.values(), 0.5, 2.0, 0.1, 0.01)
_KAIMING = (("fan_in", "fan_out"), ("leaky_relu", "tanh", "selu", "linear"))
_STDS = (1.0, 0.02, 0.01)  # that people write


class Match(NamedTuple):
    """What numbers look like: the fields of an `AuditRow` that it takes the numbers to tell."""

    scheme: str = ""
    others: tuple[str, ...] = ()
    distribution: str = ""
    note: str = ""
    mean: float | None = None
    std: float | None = None


Candidate = tuple[tuple[int, int], str, Distribution]
"""How plain it is to read, a scheme with its arguments, and what that gives this tensor."""


def recognise(pieces: Sequence[Tensor], stored: Tensor, own: Distribution | None = None) -> Match:
    """Name the scheme of numbers: in the pieces that were filled one by one, and as stored.

    `own` is what PyTorch's own start of the layer gives them.
    """
    pieces = [piece.detach() for piece in pieces if piece.numel()]
    if not pieces:
        return Match(note="no entries")
    seen = statistics(pieces)
    if seen.nonfinite:
        note = f"{format.percent(seen.nonfinite)} of the entries are nan or infinite"
        return Match(note=note, mean=math.nan, std=math.nan)
    found = (
        _constant(seen)
        or _identity(pieces, seen)
        or _orthogonal(pieces, stored, seen)
        or _sparse(pieces, seen)
        or _random(pieces, stored, seen, own)
    )
    return found._replace(mean=seen.mean, std=seen.std)


# ------------------------------------------------------------------ what can be told exactly


def _constant(seen: Statistics) -> Match | None:
    largest = max(seen.high, -seen.low)
    if seen.low == seen.high:
        name = {0.0: "zeros", 1.0: "ones"}.get(seen.low, f"constant(val={seen.low:.4g})")
        return Match(name, distribution="constant")
    return Match(note=f"entries up to {format.number(largest)}") if largest > _HUGE else None


def _identity(pieces: Sequence[Tensor], seen: Statistics) -> Match | None:
    dim, rows = pieces[0].dim(), pieces[0].shape[0]
    if (seen.low, seen.high) != (0.0, 1.0) or not 2 <= dim <= 5:
        return None
    schemes = [SCHEMES["eye"]]
    if dim > 2:
        numbers = [n for n in (1, 2, 3, 4, 6, 8, 16, 32) if rows % n == 0]
        schemes = [find_scheme("dirac", groups=groups) for groups in numbers]
    for scheme in schemes:
        if all(torch.equal(piece, scheme.fill_(torch.empty_like(piece))) for piece in pieces):
            return Match(repr(scheme), distribution="two values")
    return None


def _orthogonal(pieces: Sequence[Tensor], stored: Tensor, seen: Statistics) -> Match | None:
    if pieces[0].dim() < 2:
        return None
    if math.prod(pieces[0].shape[2:]) > 1:
        middle: Any = (..., *(size // 2 for size in pieces[0].shape[2:]))
        centres = [piece[middle] for piece in pieces]
        others = sum(int(piece.count_nonzero()) for piece in pieces)
        others -= sum(int(centre.count_nonzero()) for centre in centres)
        if not others and (gain := _gain(centres, seen.rounding)):
            return Match(f"delta_orthogonal(gain={gain:.3g})", distribution="one place of each")
    distribution = best_of(seen).kind if seen.n >= _ENOUGH else ""
    for matrices, note in ((pieces, ""), ([stored], "of the stored tensor as one matrix")):
        if gain := _gain([matrix.flatten(1) for matrix in matrices], seen.rounding):
            return Match(f"orthogonal(gain={gain:.3g})", (), distribution, note)
    return None


def _gain(matrices: Sequence[Tensor], rounding: float) -> float:
    """Tell the singular value that all have in common; 0 where there is no such."""
    gains = []
    for matrix in matrices:
        wide = matrix.to(torch.promote_types(matrix.dtype, torch.float32))
        wide = wide.t() if wide.shape[0] > wide.shape[1] else wide  # (short, long)
        close = 4 * rounding / math.sqrt(wide.shape[1]) + 2e-5
        for rows in (wide[:8], wide):  # a few rows tell nearly all of what is not orthogonal
            products = rows @ rows.t()
            square = float(products.diagonal().mean())
            away = products - square * torch.eye(len(rows), device=rows.device, dtype=rows.dtype)
            if not float(away.abs().max()) < close * square:
                return 0.0
        gains.append(math.sqrt(square))
        if len(wide) == 1 and not any(abs(gains[-1] / one - 1) < close for one in _USUAL_GAINS):
            return 0.0  # the row of a matrix with one row has some length in any case
    return gains[0] if max(gains) - min(gains) <= 1e-3 * gains[0] else 0.0


def _sparse(pieces: Sequence[Tensor], seen: Statistics) -> Match | None:
    """Find the same number of zeros in each column, and normal numbers besides."""
    if pieces[0].dim() != 2 or not bool((seen.sample == 0).any()):
        return None
    zeros = torch.cat([(piece == 0).sum(0) for piece in pieces])
    rows, count = pieces[0].shape[0], int(zeros[0])
    if not 0 < count < rows or int(zeros.min()) != int(zeros.max()):
        return None
    if all(int((piece == 0).all(1).sum()) == count for piece in pieces):
        return None  # whole rows
    left = statistics([piece[piece != 0] for piece in pieces])
    if left.low == left.high:
        return None
    normal = Distribution(0.0, left.std)
    behind = best_of(left).log_likelihood(left) - normal.log_likelihood(left)
    if behind > 2 * MARGIN or not normal.fits(left.sample):
        return None
    share, std = _round(count / rows, 0.5 / rows), _round(left.std, 1.8 * left.std / left.n**0.5)
    return Match(f"sparse(sparsity={share}, std={std})", (), "zeros and normal")


# ------------------------------------------------------------------ distributions


def _random(
    pieces: Sequence[Tensor], stored: Tensor, seen: Statistics, own: Distribution | None
) -> Match:
    """Name a scheme that draws its numbers independently."""
    best = best_of(seen)
    matrix = pieces[0].dim() > 1
    found = _of_matrices(pieces[0], stored, own) if matrix else _of_vectors(own, seen.n)
    scored = [(order, -gives.log_likelihood(seen), text, gives) for order, text, gives in found]
    # A fit is a little better than the truth; that of a uniform distribution by more.
    fitted = best.log_likelihood(seen)
    slack = MARGIN if best.kind == "uniform" else _CLOSE
    least = max([fitted - slack, *(-worse for _, worse, *_ in scored)]) - MARGIN
    likely = sorted(one for one in scored if -one[1] > least and one[-1].fits(seen.sample))
    if not likely and not best.fits(seen.sample):
        zeros = float((seen.sample == 0).double().mean())
        return Match(note=f"{format.percent(zeros)} of the entries are 0" if zeros > 0.005 else "")
    gives = likely[0][-1] if likely else best
    if matrix and not unstructured(stored.flatten(1), seen.mean, gives.fourth()):
        return Match(distribution=gives.kind)
    names = [text for _, _, text, _ in likely]
    enough = seen.n >= (_ENOUGH if matrix else 4 * _ENOUGH)
    if enough if not names else matrix and (not enough or -likely[0][1] < fitted - _CLOSE):
        names.append(_plain(best, seen))
    first, *others = dict.fromkeys(names or [""])
    return Match(first, tuple(others), gives.kind)


def _of_vectors(own: Distribution | None, n: int) -> Iterator[Candidate]:
    """Give what a bias may be drawn from."""
    if own is not None:
        yield (0, 0), "torch_default", own
    if n >= 4 * _ENOUGH:  # a trained bias of a hundred entries follows one of them by chance
        for std in _STDS:
            yield (0, 1), f"normal(std={std:g})", Distribution(0.0, std)


def _of_matrices(piece: Tensor, stored: Tensor, own: Distribution | None) -> Iterator[Candidate]:
    """Give the schemes with their usual arguments, and what they would give this tensor."""
    sizes = [("", fans(piece))]
    if stored.dim() > 1 and sorted(fans(stored)) != sorted(fans(piece)):
        sizes.append((f" of the stored {tuple(stored.shape)}", fans(stored)))
    for surprise, (where, (fan_in, fan_out)) in enumerate(sizes):
        for changed, text, scheme in _usual():
            gives = _given(scheme, fan_in, fan_out)
            if own is not None and text == "torch_default":
                gives = own
            if gives and not (where and (scheme.dims[0] < 2 or gives is own)):
                order = (changed + 2 * surprise, list(SCHEMES).index(scheme.name))
                yield order, text + where, gives


def _given(scheme: Scheme, fan_in: int, fan_out: int) -> Distribution | None:
    """Tell what a scheme draws from."""
    match scheme:
        case Uniform(a=low, b=high):
            return Distribution(0.0, math.inf, low, high)
        case TruncNormal(mean=mean, std=std, a=low, b=high):
            return Distribution(mean, std, low, high)
    std = math.sqrt(scheme.variance(fan_in, fan_out) or 0.0)
    if scheme.distribution == "uniform":
        return uniform(std)
    return Distribution(0.0, std) if std else None


def _usual() -> Iterator[tuple[int, str, Scheme]]:
    """Give schemes with usual arguments: how many a reader has to be told, text, scheme."""
    for std in _STDS:
        yield 0, f"normal(std={std:g})", find_scheme("normal", std=std)
        text = f"trunc_normal(std={std:g}, a={-2 * std:g}, b={2 * std:g})"
        yield 0, text, find_scheme("trunc_normal", std=std, a=-2 * std, b=2 * std)
        if std < 1:
            yield 0, f"trunc_normal(std={std:g})", find_scheme("trunc_normal", std=std)
    for name, scheme in SCHEMES.items():
        if name != "normal" and scheme.distribution in ("normal", "uniform"):
            yield 0, "uniform(a=0, b=1)" if name == "uniform" else repr(scheme), scheme
        if name.startswith("xavier"):
            for gain in _GAINS.values():
                yield 1, f"{name}(gain={gain:.3g})", find_scheme(name, gain=gain)
        if name.startswith("kaiming"):
            yield 1, f"{name}(a=√5)", find_scheme(name, a=math.sqrt(5))
            for mode, nonlinearity in itertools.product(*_KAIMING):
                one = find_scheme(name, mode=mode, nonlinearity=nonlinearity)
                changed = (mode != "fan_in") + (nonlinearity != "leaky_relu")
                if changed:
                    yield changed, repr(one), one


def _plain(best: Distribution, seen: Statistics) -> str:
    """Write a distribution in numbers, as short as they allow."""
    error = 2.5 * seen.std / math.sqrt(seen.n)
    mean = 0.0 if abs(seen.mean) < 1.5 * error else seen.mean
    if best.kind == "uniform":
        room = (seen.high - seen.low) / seen.n
        low, high = seen.low - room, seen.high + room
        if abs(low + high) < 5 * room:
            low, high = min(low, -high), max(-low, high)
        return f"uniform(a={_round(low, room)}, b={_round(high, room)})"
    start = "" if not mean else f"mean={_round(mean, error)}, "
    if best.kind == "normal":
        return f"normal({start}std={_round(seen.std, error / math.sqrt(2))})"
    reach = (best.high - best.low) / 2
    # Bounds of two standard deviations are what everybody writes.
    usual = abs(cut_moments(2.0)[0] * reach / 2 / seen.std - 1) < 4 / math.sqrt(2 * seen.n)
    std = reach / 2 if usual else best.std
    written = _round(std, 2.5 * std / math.sqrt(seen.n))
    reach = 2 * float(written) if usual else reach
    return f"trunc_normal({start}std={written}, a={mean - reach:.3g}, b={mean + reach:.3g})"


def _round(value: float, error: float) -> str:
    """Write a number with as few digits as stay within the error, four at most."""
    for digits in range(1, 4):
        text = f"{value:.{digits}g}"
        if abs(float(text) - value) <= error:
            return f"{float(text):g}"
    return f"{float(f'{value:.4g}'):g}"
