"""Notebook 12: how a stream grows, and many branches that add up to one."""

from __future__ import annotations

from typing import NamedTuple

from initlab.exercises.answers import as_number
from initlab.exercises.exercise import Exercise, Mistake
from initlab.exercises.values import Values, gives, gives_instead, values_of

_DEPTHS = [4, 9, 50]


def _right(depth: int) -> float:
    return float(depth**-0.5)


def _ratio(values: Values) -> str:
    return (
        f"With {_DEPTHS[0]} blocks you scale each branch by {values.given[0]:.3g}. How much "
        "variance has one branch then, and how much have all of them together?"
    )


class _Stream(NamedTuple):
    blocks: int
    scale: float


_STREAMS = [_Stream(6, 0.5), _Stream(3, 1.0), _Stream(20, 0.2)]


def _growth(stream: _Stream) -> float:
    return (1 + stream.scale**2) ** stream.blocks


def _told(values: Values) -> str:
    stream = values.cases[0]
    return (
        f"For {stream.blocks} blocks with s = {stream.scale} you give "
        f"{float(values.given[0]):.3g}. What does one block do to the mean square?"
    )


EXERCISES = [
    Exercise(
        name="stream_growth",
        notebook="11",
        task="Each of `blocks` blocks computes x + s·f(x) with s = `scale`. The branch f keeps the "
        "mean square: f(x) has the mean square of x, and is uncorrelated with x. By which factor "
        "has the mean square of the stream grown after all blocks?",
        stub="def stream_growth(blocks, scale): ...\n",
        hints=(
            "What is the mean square of s·f(x), when f(x) has the mean square q of x?",
            "Uncorrelated: the mean squares of x and s·f(x) add up. So one block multiplies q by "
            "1 + s².",
            "The next block starts from the larger stream. Which operation repeats a factor?",
        ),
        solution="""
def stream_growth(blocks, scale):
    return (1 + scale**2) ** blocks
""",
        measure=values_of(
            _STREAMS,
            _growth,
            number_from=as_number,
            unpack=True,
        ),
        right=gives(_growth),
        mistakes=(
            gives_instead(
                "scale not squared",
                lambda stream: (1 + stream.scale) ** stream.blocks,
                "You added s times the mean square. What does a factor s do to a mean *square*?",
            ),
            gives_instead(
                "rms for mean square",
                lambda stream: _growth(stream) ** 0.5,
                "Your number is the growth of the rms, the root. Which is asked for?",
            ),
            gives_instead(
                "sum for product",
                lambda stream: 1 + stream.blocks * stream.scale**2,
                "You let every branch start from the first stream. How large is the stream that "
                "the last branch reads?",
            ),
            gives_instead(
                "skip forgotten",
                lambda stream: stream.scale ** (2 * stream.blocks),
                "You followed the branches only. What does each block add its branch to?",
            ),
            gives_instead(
                "scale ignored",
                lambda stream: 2.0**stream.blocks,
                "Your number is right for s = 1. What does s do to the branch?",
            ),
            gives_instead(
                "added as numbers",
                lambda stream: (1 + stream.scale) ** (2 * stream.blocks),
                "You added the rms of stream and branch. Do uncorrelated numbers add up like that?",
            ),
        ),
        otherwise=_told,
        praise="it holds for 3 networks, with strong and weak branches.",
    ),
    Exercise(
        name="residual_scaling",
        notebook="11",
        task="A residual network has `depth` blocks x + s·f(x). Each branch f(x) has variance 1. "
        "Write the function that gives the factor s for which the variances of all branches "
        "together add up to 1.",
        stub="def residual_scaling(depth):\n    ...\n",
        hints=(
            "What is the variance of s·f(x), when f(x) has variance 1?",
            "There are `depth` branches, and their variances add up.",
            "Solve depth · s² = 1.",
        ),
        solution="""
def residual_scaling(depth):
    return 1 / depth**0.5
""",
        measure=values_of(_DEPTHS, _right, number_from=as_number),
        right=gives(_right, rtol=1e-2),  # 16 bits will do
        mistakes=(
            gives_instead(
                "variance for std",
                lambda depth: 1 / depth,
                "You scale each branch by 1/depth. Is that its variance or its standard "
                "deviation, and which of the two does a factor multiply?",
            ),
            gives_instead(
                "inverse",
                lambda depth: depth**0.5,
                "Your factor grows with the depth. Must more branches each be larger or smaller?",
            ),
            gives_instead(
                "two branches a block",
                lambda depth: (2 * depth) ** -0.5,
                "You counted two branches in each block, as GPT-2 has. How many has this network?",
            ),
            gives_instead(
                "no scaling",
                lambda depth: 1.0,
                "Your factor is 1. What is the sum of the variances of all branches then?",
            ),
            gives_instead(
                "squared twice",
                lambda depth: depth**-0.25,
                "You took one root too many: your factor falls as depth to the power −1/4.",
            ),
            gives_instead(
                "halved at each block",
                lambda depth: 2.0 ** (-depth / 2),
                "Your factor falls exponentially with depth. Do the variances of the branches "
                "multiply, or add?",
            ),
            Mistake(
                name="depth ignored",
                seen=lambda values: len({round(float(v), 6) for v in values.given}) == 1,
                says="Your factor is the same for every depth. What do more branches add up to?",
            ),
        ),
        otherwise=_ratio,
        praise=f"the branches add up to a variance of 1 at depths {_DEPTHS[0]} to {_DEPTHS[-1]}.",
    ),
]
