"""What is an exercise? A declared record: task, hints, solution, and the mistakes that it knows."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from initlab.exercises.display import Note, as_html


@dataclass(frozen=True, kw_only=True)
class Mistake:
    """A typical mistake, recognised by what it produced.

    Args:
        name: What was mixed up, in a few words.
        seen: Takes the evidence of a wrong answer; true where this mistake made it.
        says: The sentence that it deserves: names the mistake and asks a question, and never gives
            the answer.
    """

    name: str
    seen: Callable[[Any], bool]
    says: str


def _not_yet(evidence: Any) -> str:
    return "This is not it yet. What does your answer give for the smallest case, worked by hand?"


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
    otherwise: Callable[[Any], str] = _not_yet
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

    def hint(self, step: int) -> Note:
        """Give the hint of that step, counted from 1; after the last, say what is left."""
        if step > len(self.hints):
            text = (
                f"There are no more hints for {self.name}. "
                f'`il.solution("{self.name}")` shows one way to write it.'
            )
        else:
            text = f"Hint {step} of {len(self.hints)}: {self.hints[step - 1]}"
        return Note(text, f"<p>{as_html(text)}</p>")
