"""Is the answer right, and if not, what was mixed up?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from initlab.exercises.answers import NotAttempted, NothingDone, Rejected, is_stub
from initlab.exercises.display import BAD, GOOD, OPEN, box
from initlab.exercises.exercise import Exercise

LOOK = {  # status → sign, word, colour
    "correct": ("✓", "Correct", GOOD),
    "incorrect": ("✗", "Not yet", BAD),
    "not attempted": ("○", "Not attempted", OPEN),
}


@dataclass(frozen=True, repr=False)
class Outcome:
    """What a check found; shows as text and, in a notebook, with a colour, a sign and a word.

    Args:
        name: The exercise.
        status: "correct", "incorrect" or "not attempted".
        message: What holds, or the mistake and a question about it.
        mistake: The name of the mistake where it was recognised, else `None`.
    """

    name: str
    status: str
    message: str
    mistake: str | None = None

    def _head(self) -> str:
        sign, word, _ = LOOK[self.status]
        return f"{sign} {word} ({self.name}):"

    def __repr__(self) -> str:
        return f"{self._head()} {self.message}"

    def _repr_html_(self) -> str:
        return box(LOOK[self.status][2], self._head(), self.message)


def judge(exercise: Exercise, answer: Any) -> Outcome:
    """Measure an answer, and name the typical mistake that produced it."""
    if answer is None or answer is ...:
        return Outcome(exercise.name, "not attempted", "Nothing to check yet.")
    if exercise.call is not None and not callable(answer):
        return Outcome(exercise.name, "incorrect", _no_function(exercise, answer), "not a function")
    try:
        evidence = exercise.measure(answer)
    except NotAttempted as stub:
        if isinstance(stub, NothingDone) and not is_stub(answer):
            return Outcome(exercise.name, "incorrect", str(stub), "nothing done")
        return Outcome(exercise.name, "not attempted", str(stub))
    except Rejected as wrong:
        return Outcome(exercise.name, "incorrect", str(wrong), wrong.mistake)
    if exercise.right(evidence):
        return Outcome(exercise.name, "correct", exercise.praise)
    for mistake in exercise.mistakes:
        if mistake.seen(evidence):
            return Outcome(exercise.name, "incorrect", mistake.says, mistake.name)
    return Outcome(exercise.name, "incorrect", exercise.otherwise(evidence))


def _no_function(exercise: Exercise, answer: Any) -> str:
    shown = f", {answer!r}," if isinstance(answer, (int, float, complex, bool)) else ""
    return (
        f"Your answer is of type {type(answer).__name__}{shown} and no function. The check calls "
        f"`{exercise.call}` itself, several times. Did you put brackets behind its name?"
    )
