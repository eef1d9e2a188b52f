"""Notebook 12: how a stream grows when branches are left out, and the factor that doubles it."""

from __future__ import annotations

from typing import NamedTuple

from initlab.exercises.answers import as_number
from initlab.exercises.exercise import Exercise, Mistake
from initlab.exercises.values import Values, gives, gives_instead, values_of


class _Stream(NamedTuple):
    blocks: int
    drop: float


_STREAMS = [_Stream(6, 0.5), _Stream(3, 0.2), _Stream(20, 0.1)]


def _growth(stream: _Stream) -> float:
    return (1 + 1 / (1 - stream.drop)) ** stream.blocks


def _told(values: Values) -> str:
    stream = values.cases[0]
    return (
        f"For {stream.blocks} blocks with drop = {stream.drop} you give "
        f"{float(values.given[0]):.3g}. What does one block do to the mean square?"
    )


_DEPTHS = [4, 12, 50]


def _factor(blocks: int) -> float:
    return float((2 ** (1 / (2 * blocks)) - 1) ** 0.5)


def _reached(values: Values) -> str:
    given = float(values.given[0])
    grown = (1 + given**2) ** (2 * _DEPTHS[0])
    return (
        f"With your factor for {_DEPTHS[0]} blocks, {given:.3g}, the mean square is multiplied by "
        f"{grown:.3g}. What does one branch do to the mean square, and how many branches are there?"
    )


EXERCISES = [
    Exercise(
        name="stream_growth",
        notebook="12",
        task="Stochastic depth: at each training step, each of `blocks` blocks leaves its branch "
        "out with probability `drop`, and gives x + f(x) / (1 - drop) where the branch stays. f "
        "keeps the mean square and ends in fresh random weights of mean 0. By which factor has the "
        "mean square of the stream grown after all blocks, on average over the weights and over "
        "what is left out?",
        stub="def stream_growth(blocks, drop): ...\n",
        hints=(
            "Let q be the mean square of x. What is the mean square of f(x) / (1 - drop)?",
            "A block has two cases: the branch stays, with probability 1 - drop, or not. How large "
            "is the mean square in each, and what is the average of the two?",
            "On average a block adds (1 - drop) · q / (1 - drop)². The next block starts from the "
            "larger stream.",
        ),
        solution="""
def stream_growth(blocks, drop):
    return (1 + 1 / (1 - drop)) ** blocks
""",
        measure=values_of(_STREAMS, _growth, number_from=as_number, unpack=True),
        right=gives(_growth),
        mistakes=(
            gives_instead(
                "as if nothing were left out",
                lambda stream: 2.0**stream.blocks,
                "Your number is that of a network whose branches all stay. Dividing by 1 - drop "
                "keeps the *mean* of what is added. What does it do to the mean square?",
            ),
            gives_instead(
                "division forgotten",
                lambda stream: (2 - stream.drop) ** stream.blocks,
                "You count how often a branch stays. By what is it divided when it stays?",
            ),
            gives_instead(
                "probability forgotten",
                lambda stream: (1 + (1 - stream.drop) ** -2) ** stream.blocks,
                "That is the mean square when every branch stays. How often does it stay?",
            ),
            gives_instead(
                "probabilities swapped",
                lambda stream: (1 + 1 / stream.drop) ** stream.blocks,
                "You let a branch stay with probability `drop`. Is that what `drop` stands for?",
            ),
            gives_instead(
                "rms for mean square",
                lambda stream: _growth(stream) ** 0.5,
                "Your number is the growth of the rms, the root. Which is asked for?",
            ),
            gives_instead(
                "sum for product",
                lambda stream: 1 + stream.blocks / (1 - stream.drop),
                "You let every branch read the first stream. How large is the stream that "
                "the last branch reads?",
            ),
            gives_instead(
                "skip forgotten",
                lambda stream: (1 - stream.drop) ** -stream.blocks,
                "You followed the branches only. What does each block add its branch to?",
            ),
        ),
        otherwise=_told,
        praise="it holds for 3 networks, from 3 to 20 blocks.",
    ),
    Exercise(
        name="residual_scaling",
        notebook="12",
        task="A transformer's block has two branches, one after the other: it adds s·f(x) to the "
        "stream, and then s·g of the new stream. Each branch keeps the mean square of what it "
        "reads and ends in fresh random weights of mean 0. Write the function that gives the "
        "factor s with which `blocks` blocks double the mean square of the stream, exactly, on "
        "average over the weights.",
        stub="def residual_scaling(blocks):\n    ...\n",
        hints=(
            "By which factor does one branch multiply the mean square of the stream?",
            "There are 2 · blocks branches, and their factors 1 + s² multiply.",
            "Solve (1 + s²) to the power of 2 · blocks = 2 for s.",
        ),
        solution="""
def residual_scaling(blocks):
    return (2 ** (1 / (2 * blocks)) - 1) ** 0.5
""",
        measure=values_of(_DEPTHS, _factor, number_from=as_number),
        right=gives(_factor, rtol=1e-2),  # 16 bits will do
        mistakes=(
            gives_instead(
                "one branch a block",
                lambda blocks: (2 ** (1 / blocks) - 1) ** 0.5,
                "Your factor would be right with one branch in each block, or if the *rms* were to "
                "double. How many branches has a block, and what is to double?",
            ),
            gives_instead(
                "sum for product",
                lambda blocks: (2 * blocks) ** -0.5,
                "With your factor the branches would add up to 1 if each of them read the first "
                "stream. How large is the stream that the last branch reads?",
            ),
            gives_instead(
                "no root",
                lambda blocks: 2 ** (1 / (2 * blocks)) - 1,
                "That is what one branch has to add, as a share of the mean square. What does a "
                "factor s do to a mean *square*?",
            ),
            gives_instead(
                "skip forgotten",
                lambda blocks: 2 ** (1 / (4 * blocks)),
                "You followed the branches only. What is each branch added to?",
            ),
            gives_instead(
                "inverse",
                lambda blocks: (2 * blocks) ** 0.5,
                "Your factor grows with the depth. Must more branches each be larger or smaller?",
            ),
            Mistake(
                name="depth ignored",
                seen=lambda values: len({round(float(v), 6) for v in values.given}) == 1,
                says="Your factor is the same for every depth. What do more branches do together?",
            ),
        ),
        otherwise=_reached,
        praise=f"the stream doubles over {_DEPTHS[0]} to {_DEPTHS[-1]} blocks.",
    ),
]
