"""What is an exercise, is an answer to it right, and if not, what was mixed up?"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from initlab.exercises.answers import NotAttempted, NothingDone, Rejected, is_stub
from initlab.exercises.display import BAD, GOOD, OPEN, as_html, box

LOOK = {  # status → sign, word, colour
    "correct": ("✓", "Correct", GOOD),
    "incorrect": ("✗", "Not yet", BAD),
    "not attempted": ("○", "Not attempted", OPEN),
}


@dataclass(frozen=True, kw_only=True)
class Mistake:
    """A typical mistake, recognised by what it produced.

    Args:
        name: What was mixed up, in a few words.
        seen: Takes the evidence of a wrong answer; true where this mistake made it.
        says: Names the mistake and asks a question, and never gives the answer.
    """

    name: str
    seen: Callable[[Any], bool]
    says: str


@dataclass(frozen=True, kw_only=True)
class Exercise:
    """A task for the learner, and how an answer to it is judged.

    `measure` turns an answer into evidence, `right` alone decides, and the mistakes only name
    what is wrong: the first whose `seen` fits speaks. So a mistake that is described badly can
    give a bad hint, and never a wrong verdict.

    Args:
        name: What `il.check` calls it.
        notebook: Two digits, the notebook that sets it.
        task: What to write, in plain English.
        stub: Source text to start from; "not attempted" as it stands. Where it defines a function,
            the answer must be one.
        hints: In steps, from a nudge to nearly everything.
        solution: Source text that runs by itself and defines or assigns `name`.
        measure: Answer → evidence. Raises `NotAttempted` or `Rejected`.
        right: Evidence → is it right?
        mistakes: The typical ones, in the order in which they are looked for.
        otherwise: Evidence of a wrong answer → the sentence where no mistake fits.
        praise: What the check found to hold.
    """

    name: str
    notebook: str
    task: str
    stub: str
    hints: tuple[str, ...]
    solution: str
    measure: Callable[[Any], Any]
    right: Callable[[Any], bool]
    mistakes: tuple[Mistake, ...] = ()
    otherwise: Callable[[Any], str] = lambda evidence: (
        "This is not it yet. What does your answer give for the smallest case, worked by hand?"
    )
    praise: str = "it holds for every case that was tried."

    @property
    def call(self) -> str | None:
        """How the answer is called, such as "f(x, y)"; None where it is none."""
        defined = re.search(rf"^def ({self.name}\(.*?\))", self.stub, re.MULTILINE)
        return defined and defined[1]

    def __repr__(self) -> str:
        return f"Exercise {self.name!r} (notebook {self.notebook})\n{self.task}\n\n{self.stub}"

    def _repr_html_(self) -> str:
        return (
            f"<p><strong>Exercise <code>{self.name}</code></strong> (notebook {self.notebook})</p>"
            f"<p>{as_html(self.task)}</p>{as_html(self.stub, code=True)}"
        )


@dataclass(frozen=True, repr=False)
class Outcome:
    """What a check found.

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
    outcome = partial(Outcome, exercise.name)
    if answer is None or answer is ...:
        return outcome("not attempted", "Nothing to check yet.")
    if exercise.call is not None and not callable(answer):
        shown = f", {answer!r}," if isinstance(answer, (int, float, complex, bool)) else ""
        return outcome(
            "incorrect",
            f"Your answer is of type {type(answer).__name__}{shown} and no function. The check "
            f"calls `{exercise.call}` itself, several times. Did you put brackets behind its name?",
            "not a function",
        )
    try:
        evidence = exercise.measure(answer)
    except NotAttempted as stub:
        if isinstance(stub, NothingDone) and not is_stub(answer):
            return outcome("incorrect", str(stub), "nothing done")
        return outcome("not attempted", str(stub))
    except Rejected as wrong:
        return outcome("incorrect", str(wrong), wrong.mistake)
    if exercise.right(evidence):
        return outcome("correct", exercise.praise)
    for mistake in exercise.mistakes:
        if mistake.seen(evidence):
            return outcome("incorrect", mistake.says, mistake.name)
    return outcome("incorrect", exercise.otherwise(evidence))
