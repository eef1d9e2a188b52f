"""Notebook 04: the size of sparse weights, k weights for each channel, inputs that nobody reads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from initlab.exercises import statistics
from initlab.exercises.answers import (
    Array,
    Entries,
    as_entries,
    as_number,
    call,
    returned,
)
from initlab.exercises.exercise import Exercise, Mistake
from initlab.exercises.random_matrices import TwoCalls
from initlab.exercises.values import Values, gives, gives_instead, values_of

_SIZES = [(8, 3000, 5, 7), (5, 2600, 5, 8)]
"""(channels_in, channels_out, size, k), with at least 20,000 weights that are not 0."""


@dataclass(frozen=True, kw_only=True)
class _Sparse(TwoCalls):
    """Two kernels as matrices: a row holds all incoming weights of one output channel."""

    k: int
    channels: int

    @property
    def mask(self) -> Array:
        return np.asarray(self.values != 0, dtype=np.float64)

    @property
    def weights(self) -> Array:
        return np.asarray(self.values[self.values != 0])

    @property
    def fresh(self) -> bool:
        return not np.array_equal(self.values, self.again)


def _measure(function: Callable[..., Any]) -> list[_Sparse]:
    found = []
    for channels_in, channels_out, size, k in _SIZES:
        shape = (channels_out, channels_in, size, size)
        first, second = (
            as_entries(returned(call(function, channels_in, channels_out, size, k)), shape)
            for _ in range(2)
        )
        found.append(
            _Sparse(
                k=k,
                channels=channels_in,
                entries=Entries(first.values.reshape(channels_out, -1), first.eps),
                again=second.values.reshape(channels_out, -1),
            )
        )
    return found


def _each_unit_has_k(d: _Sparse) -> bool:
    return bool((d.mask.sum(axis=1) == d.k).all())


def _inputs_are_used_evenly(d: _Sparse) -> bool:
    """A column's count is binomial: 9 standard deviations off has P < 1e-10, in any of 200."""
    units, inputs = d.mask.shape
    mean = units * d.k / inputs
    spread = np.sqrt(mean * (1 - d.k / inputs))
    return bool((np.abs(d.mask.sum(axis=0) - mean) < 9 * spread).all())


def _places_are_fresh(d: _Sparse) -> bool:
    """Fewer than one row in ten, of both calls, has the places of another one.

    There are more than 1e12 sets of places, so chance has no say in that.
    """
    places = np.concatenate([d.values, d.again]) != 0
    return len(np.unique(np.packbits(places, axis=1), axis=0)) > 0.9 * len(places)


def _right(d: _Sparse) -> bool:
    return (
        _each_unit_has_k(d)
        and _places_are_fresh(d)
        and _inputs_are_used_evenly(d)
        and _weights_are_standard_normal(d)
        and d.fresh
        and not statistics.values_return(Entries(d.weights, d.entries.eps))
    )


def _weights_are_standard_normal(d: _Sparse) -> bool:
    return (
        statistics.mean_is(d.weights, 0, 1)
        and statistics.std_is(d.weights, 1)
        and statistics.shape_is(d.weights, "normal", 1)
    )


def _each_input_channel_has_k(d: _Sparse) -> bool:
    counts = d.mask.reshape(len(d.mask), d.channels, -1).sum(axis=2)
    return bool((counts == d.k).all())


def _every(test: Callable[[_Sparse], bool]) -> Callable[[Sequence[_Sparse]], bool]:
    return lambda found: all(test(d) for d in found)


def _otherwise(found: Sequence[_Sparse]) -> str:
    for d in found:
        counts = d.mask.sum(axis=1)
        if not _each_unit_has_k(d):
            return (
                f"With k={d.k} your output channels have between {counts.min():.0f} and "
                f"{counts.max():.0f} incoming weights that are not 0. How are you sure of each?"
            )
    return (
        "Each output channel has k weights, but these are not normal numbers with mean 0 and "
        f"standard deviation 1: yours have mean {found[0].weights.mean():.2g} and standard "
        f"deviation {found[0].weights.std():.2g}."
    )


class _Layer(NamedTuple):
    fan_in: int
    sparsity: float
    dropout: float


_LAYERS = [_Layer(64, 0.9, 0.5), _Layer(20, 0.8, 0.25), _Layer(100, 0.5, 0.1)]


def _level_std(layer: _Layer) -> float:
    return float(((1 - layer.dropout) / _left(layer)) ** 0.5)


def _left(layer: _Layer) -> float:
    return layer.fan_in * (1 - layer.sparsity)


class _Sizes(NamedTuple):
    fan_in: int
    fan_out: int
    k: int


_FEW = [_Sizes(100, 30, 5), _Sizes(64, 20, 15), _Sizes(40, 12, 8)]
"""k is below both, and an input that nobody reads turns up now and then."""


def _unread(sizes: _Sizes) -> float:
    return float((1 - sizes.k / sizes.fan_in) ** sizes.fan_out)


def _told_std(values: Values) -> str:
    layer = values.cases[0]
    return (
        f"For fan_in {layer.fan_in}, sparsity {layer.sparsity} and dropout {layer.dropout} you "
        f"give {float(values.given[0]):.3g}. What is the mean square of one product?"
    )


def _told_share(values: Values) -> str:
    sizes = values.cases[0]
    return (
        f"For fan_in {sizes.fan_in}, fan_out {sizes.fan_out} and k {sizes.k} you give "
        f"{float(values.given[0]):.3g}. What must every single unit do for that?"
    )


_SPARSE_STD = Exercise(
    name="sparse_std",
    notebook="04",
    task="A linear layer with `fan_in` inputs stands behind `nn.Dropout(dropout)`, in training. A "
    "share `sparsity` of its weights is 0, at random places; all others are drawn with mean 0 and "
    "standard deviation std. Which std gives the pre-activations the mean square that the signal "
    "has in front of the dropout?",
    stub="def sparse_std(fan_in, sparsity, dropout): ...\n",
    hints=(
        "Dropout sets a share `dropout` of the inputs to 0, and multiplies the others by "
        "1 / (1 − dropout). What does that do to the *mean square* of an input?",
        "The mean square of an input becomes (1 − dropout) · 1 / (1 − dropout)² times as large.",
        "Solve fan_in · (1 − sparsity) · std² / (1 − dropout) = 1.",
    ),
    solution="""
def sparse_std(fan_in, sparsity, dropout):
    return ((1 - dropout) / (fan_in * (1 - sparsity))) ** 0.5
""",
    measure=values_of(_LAYERS, _level_std, number_from=as_number, unpack=True),
    right=gives(_level_std),
    mistakes=(
        gives_instead(
            "variance for std",
            lambda layer: (1 - layer.dropout) / _left(layer),
            "Your number is the variance of the weights. Which of the two does the task ask for?",
        ),
        gives_instead(
            "share of zeros",
            lambda layer: ((1 - layer.dropout) / (layer.fan_in * layer.sparsity)) ** 0.5,
            "You counted the weights that *are* 0. Which weights make up the sum?",
        ),
        gives_instead(
            "sparsity ignored",
            lambda layer: ((1 - layer.dropout) / layer.fan_in) ** 0.5,
            "Your number is right for a layer without zeros. How many terms of the sum are left?",
        ),
        gives_instead(
            "dropout ignored",
            lambda layer: _left(layer) ** -0.5,
            "Your number is right without dropout. Dropout keeps the mean of its input; does it "
            "keep the mean square?",
        ),
        gives_instead(
            "dropout without its factor",
            lambda layer: (_left(layer) * (1 - layer.dropout)) ** -0.5,
            "You counted the inputs that are dropped. What does `nn.Dropout` do to those that "
            "it keeps?",
        ),
        gives_instead(
            "factor of dropout alone",
            lambda layer: (1 - layer.dropout) / _left(layer) ** 0.5,
            "You counted the factor on the inputs that are kept. And those that are dropped?",
        ),
        gives_instead(
            "zeros make it smaller",
            lambda layer: ((1 - layer.dropout) * (1 - layer.sparsity)) ** 0.5 / layer.fan_in**0.5,
            "The more zeros, the smaller you make the other weights. Fewer terms are left: must "
            "each of them be larger or smaller?",
        ),
    ),
    otherwise=_told_std,
    praise="it holds for 3 layers with different fan-in, sparsity and dropout.",
)

_UNREAD_SHARE = Exercise(
    name="unread_share",
    notebook="04",
    task="Each of `fan_out` units draws `k` different inputs out of `fan_in`, at random and "
    "independently of the other units. Write the function that gives the share of the *inputs* "
    "that reach no unit, on average.",
    stub="def unread_share(fan_in, fan_out, k): ...\n",
    hints=(
        "Take one input and one unit. How likely is it that the unit does not draw this input?",
        "A unit draws k of fan_in inputs, so it leaves this one out with probability "
        "1 − k / fan_in.",
        "All units must leave it out, and they draw independently: the probabilities multiply.",
    ),
    solution="""
def unread_share(fan_in, fan_out, k):
    return (1 - k / fan_in) ** fan_out
""",
    measure=values_of(_FEW, _unread, number_from=as_number, unpack=True),
    right=gives(_unread),
    mistakes=(
        gives_instead(
            "fan_in for fan_out",
            lambda sizes: (1 - sizes.k / sizes.fan_in) ** sizes.fan_in,
            "Your exponent is the number of inputs. Who must leave this one input out?",
        ),
        gives_instead(
            "units for inputs",
            lambda sizes: (1 - sizes.k / sizes.fan_out) ** sizes.fan_in,
            "You counted as if each *input* drew k units. Who draws whom here?",
        ),
        gives_instead(
            "the other inputs",
            lambda sizes: 1 - (1 - sizes.k / sizes.fan_in) ** sizes.fan_out,
            "Your number is the share of inputs that reach a unit. Which are asked for?",
        ),
        gives_instead(
            "count for share",
            lambda sizes: sizes.fan_in * (1 - sizes.k / sizes.fan_in) ** sizes.fan_out,
            "Your number is how *many* inputs reach no unit. Which share of the inputs is that?",
        ),
    ),
    otherwise=_told_share,
    praise="it holds for 3 layers of different sizes.",
)

EXERCISES = [
    _SPARSE_STD,
    Exercise(
        name="sparse_kernel",
        notebook="04",
        task="Write Martens' rule for a convolution: each output channel gets exactly `k` incoming "
        "weights, drawn from a normal distribution with mean 0 and standard deviation 1, at places "
        "drawn afresh for each output channel. All others are 0. The shape is `(channels_out, "
        "channels_in, size, size)`.",
        stub="def sparse_kernel(channels_in, channels_out, size, k):\n    ...\n",
        hints=(
            "All weights that come into one output channel are `weight[channel]`. How many numbers "
            "are that?",
            "As a matrix the kernel has one row for each output channel, with "
            "channels_in · size · size numbers.",
            "`rng.choice(n, size=k, replace=False)` draws k different places of a row.",
        ),
        solution="""
import numpy as np

def sparse_kernel(channels_in, channels_out, size, k):
    rng = np.random.default_rng()
    weight = np.zeros((channels_out, channels_in * size * size))
    for row in weight:
        row[rng.choice(len(row), size=k, replace=False)] = rng.normal(size=k)
    return weight.reshape(channels_out, channels_in, size, size)
""",
        measure=_measure,
        right=_every(_right),
        mistakes=(
            Mistake(
                name="all zero",
                seen=_every(lambda d: not d.mask.any()),
                says="All your weights are 0. Which of them should be drawn?",
            ),
            Mistake(
                name="same numbers at each call",
                seen=_every(lambda d: not d.fresh),
                says="Two calls gave the same matrix. Is there a seed inside your function?",
            ),
            Mistake(
                name="k zeros",
                seen=_every(lambda d: bool((d.mask.sum(axis=1) == d.mask.shape[1] - d.k).all())),
                says="Each output channel has k weights that *are* 0. How many should be 0, and "
                "how many not?",
            ),
            Mistake(
                name="k from each input channel",
                seen=_every(_each_input_channel_has_k),
                says="Your output channels have k weights from *each* input channel. How many have "
                "they in all?",
            ),
            Mistake(
                name="even columns",
                seen=_every(
                    lambda d: bool(
                        np.ptp(d.mask.sum(axis=0)) == 0 and np.ptp(d.mask.sum(axis=1)) > 0
                    )
                ),
                says="Each input reaches the same number of output channels, and these have "
                "different numbers of weights: so does `sparse_` on the kernel as a matrix. Which "
                "way round must the matrix be?",
            ),
            Mistake(
                name="k on average",
                seen=_every(
                    lambda d: bool(
                        abs(d.mask.sum(axis=1).mean() - d.k) < 0.5
                        and np.ptp(d.mask.sum(axis=1)) > 3
                    )
                ),
                says="Your output channels have k weights on average, some more and some fewer. "
                "How can you draw exactly k places?",
            ),
            Mistake(
                name="places drawn twice",
                seen=_every(
                    lambda d: bool(
                        (d.mask.sum(axis=1) <= d.k).all()
                        and not _each_unit_has_k(d)
                        and d.mask.sum(axis=1).mean() > 0.8 * d.k
                    )
                ),
                says="Some output channels have fewer than k weights. Can the same place be drawn "
                "twice, or is a weight missing?",
            ),
            Mistake(
                name="same places",
                seen=_every(lambda d: bool(_each_unit_has_k(d) and not _inputs_are_used_evenly(d))),
                says="Some places are used by far more output channels than others. Are they drawn "
                "afresh for each channel?",
            ),
            Mistake(
                name="places return",
                seen=_every(lambda d: bool(_each_unit_has_k(d) and not _places_are_fresh(d))),
                says="Many output channels have their weights at the very same places as another "
                "one, in this call or in the next. Are the places drawn afresh for each channel?",
            ),
            Mistake(
                name="constant",
                seen=_every(lambda d: bool(np.ptp(d.weights) == 0)),
                says="All weights that are not 0 are equal. Which distribution should they have?",
            ),
            Mistake(
                name="uniform for normal",
                seen=_every(lambda d: statistics.looks_uniform(d.weights)),
                says="Your weights are uniform. Which distribution does the task ask for?",
            ),
        ),
        otherwise=_otherwise,
        praise="each output channel has k weights, normally distributed, at fresh places.",
    ),
    _UNREAD_SHARE,
]
