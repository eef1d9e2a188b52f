"""Which facts mean illness? One class for each: its limit, why it matters, test and cures.

A limit is either a theorem about a start, or lies between what trained and what did not on the
measured set (`tests/sick_networks.py`, variant A: seed 0, width 64). The other variants of that
set were not looked at for it. `python tests/benchmarks/diagnosis.py` prints what comes of them.

The main measure is the *leverage* of a weight, ‖w‖·‖∂L/∂w‖: by how much the loss changes, to
first order, if all its entries change by 100 %. It has the unit of the loss, does not depend on the
weight's scale (BatchNorm cannot hide behind it), and is near 1 in a network that trains. It is
counted in guesses: the loss of an output that knows nothing of the input.

    illness        what every illness has
    broken         not finite, cut off
    surroundings   the mode, the last function
    data           the scale of inputs and targets
    parameters     equal, asleep, copies
    signals        dead, saturated, collapsed, exploding, vanishing, a wrong loss

To add one: write a class, and put it into `ALL` where it is to be asked for.
"""

from initlab.diagnosis.illnesses.broken import NoGradient, NonFinite
from initlab.diagnosis.illnesses.data import Data
from initlab.diagnosis.illnesses.illness import Illness, Seen
from initlab.diagnosis.illnesses.parameters import Asleep, Copies, Symmetric
from initlab.diagnosis.illnesses.signals import (
    Collapsed,
    Dead,
    Exploding,
    Saturated,
    Vanishing,
    WrongLoss,
)
from initlab.diagnosis.illnesses.surroundings import Mode, Output

ALL: list[Illness] = [
    NonFinite(),
    Mode(),
    NoGradient(),
    Output(),
    Data(),
    Symmetric(),
    Dead(),
    Saturated(),
    Collapsed(),
    Exploding(),
    Vanishing(),
    WrongLoss(),
    Asleep(),
    Copies(),
]
"""Every illness, in the order in which they are asked for: causes first."""

WEAK, FAINT = Vanishing.weak, Vanishing.faint
STRONG, GROWTH = Exploding.limit, Exploding.growth
ALIKE, DEAD, SATURATED = Collapsed.limit, Dead.limit, Saturated.limit
EQUAL, PULL, WRONG = Symmetric.equal, Symmetric.pull, WrongLoss.limit

__all__ = [
    "ALIKE", "ALL", "DEAD", "EQUAL", "FAINT", "GROWTH", "PULL", "SATURATED", "STRONG", "WEAK",
    "WRONG", "Asleep", "Collapsed", "Copies", "Data", "Dead", "Exploding", "Illness", "Mode",
    "NoGradient", "NonFinite", "Output", "Saturated", "Seen", "Symmetric", "Vanishing", "WrongLoss",
]  # fmt: skip
