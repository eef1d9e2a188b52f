"""Is the answer right, and if not, what was mixed up?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from initlab.exercises import diary
from initlab.exercises.answers import (
    NotAttempted,
    NothingDone,
    Rejected,
    is_stub,
    keep_random_state,
)
from initlab.exercises.display import BAD, GOOD, OPEN, Note, as_html, box
from initlab.exercises.entries import EXERCISES, find
from initlab.exercises.exercise import Exercise

_LOOK = {  # status → sign, word, colour
    "correct": ("✓", "Correct", GOOD),
    "incorrect": ("✗", "Not yet", BAD),
    "not attempted": ("○", "Not attempted", OPEN),
}
_hints_given: dict[str, int] = {}


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
        sign, word, _ = _LOOK[self.status]
        return f"{sign} {word} ({self.name}):"

    def __repr__(self) -> str:
        return f"{self._head()} {self.message}"

    def _repr_html_(self) -> str:
        return box(_LOOK[self.status][2], self._head(), self.message)


def check(name: str, answer: Any) -> Outcome:
    """Judge an answer, and name the typical mistake that produced it.

    The check calls the function on several cases (fan-in and fan-out always differ), twice where
    it draws random numbers, and reads what comes back in numpy, torch or nested lists, in any
    float dtype, returned or filled in place. Random numbers are judged by at least 20,000 of them:
    shape, finite, mean and standard deviation (each within 5 % of the standard deviation that is
    asked for), distribution (Kolmogorov–Smirnov distance below 0.03, and the share beyond three
    standard deviations), one spread for all rows and columns, independence (no row or column is a
    copy of another, no value returns, no hidden pattern) and fresh numbers at each call. For these
    sizes and limits the chance to reject a right answer is below 2e-8, and the chance to accept one
    whose standard deviation is off by 10 % below 1e-17; `initlab.exercises.statistics` derives
    both.

    The global random state of Python, numpy and torch (CPU) is the same after the check as
    before it. A right answer is noted in the progress file (see `il.progress`).

    Args:
        name: A key of `il.exercises.EXERCISES`.
        answer: What you wrote: the function itself, or the object that the task asks for.

    Returns:
        The outcome. An untouched stub (`...`, `None`, `pass`, `NotImplementedError`) is "not
        attempted"; an exception in your code is "incorrect", with the line that raised it.

    Raises:
        ValueError: No exercise has that name.

    >>> import initlab as il
    >>> il.check("kaiming_normal", None)
    ○ Not attempted (kaiming_normal): Nothing to check yet.
    """
    exercise = find(name)
    with keep_random_state(), np.errstate(all="ignore"):
        outcome = _judge(exercise, answer)
    note = diary.record(name, outcome.status)
    if note:
        return Outcome(name, outcome.status, f"{outcome.message}\n{note}", outcome.mistake)
    return outcome


def _judge(exercise: Exercise, answer: Any) -> Outcome:
    if answer is None or answer is ...:
        return Outcome(exercise.name, "not attempted", "Nothing to check yet.")
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


def hint(name: str, step: int | None = None) -> Note:
    """Give the next hint for an exercise; each call goes one step further.

    Args:
        name: A key of `il.exercises.EXERCISES`.
        step: Which hint, counted from 1. Left out: the next one in this session.

    Returns:
        The hint, which shows as text and HTML; after the last one it points at the solution.

    Raises:
        ValueError: No exercise has that name, or `step` is below 1.
    """
    exercise = find(name)
    if step is None:
        step = _hints_given[name] = _hints_given.get(name, 0) + 1
    if step < 1:
        raise ValueError(
            f"step must be a whole number from 1 to {len(exercise.hints)}, got {step}."
        )
    return exercise.hint(step)


def solution(name: str) -> Note:
    """Show one way to write it; in a notebook it is folded until you open it.

    Args:
        name: A key of `il.exercises.EXERCISES`.

    Returns:
        The source, as `.text`, and folded HTML for the notebook.

    Raises:
        ValueError: No exercise has that name.
    """
    source = find(name).solution.strip("\n")
    return Note(
        source,
        f"<details><summary>Solution of <code>{name}</code></summary>"
        f"{as_html(source, code=True)}</details>",
    )


def progress() -> Note:
    """Show which exercises are done, notebook by notebook.

    Progress is kept in one small file, `.initlab_progress.json`, in the folder that the notebook
    runs in. The environment variable `INITLAB_PROGRESS` names another file; with the value "off"
    progress lives only as long as the session. What this shows depends on the learner, so a
    notebook that is compared by a test tags its cell `nbval-ignore-output`.

    Returns:
        An overview that shows as text and as HTML.
    """
    done = diary.read()
    rows: dict[str, list[tuple[str, str]]] = {}
    for exercise in EXERCISES.values():
        sign = _LOOK[done.get(exercise.name, "not attempted")][0]
        rows.setdefault(exercise.notebook, []).append((sign, exercise.name))
    count = sum(done.get(name) == "correct" for name in EXERCISES)
    head = f"{count} of {len(EXERCISES)} exercises done (✓ correct, ✗ not yet, ○ not attempted)"
    lines = [
        f"  {notebook}  " + "   ".join(f"{sign} {name}" for sign, name in entries)
        for notebook, entries in sorted(rows.items())
    ]
    cells = "".join(
        f'<tr><th scope="row" style="text-align: left">{notebook}</th><td style="text-align: left">'
        + "&emsp;".join(f"{sign}&nbsp;<code>{name}</code>" for sign, name in entries)
        + "</td></tr>"
        for notebook, entries in sorted(rows.items())
    )
    return Note("\n".join([head, *lines]), f"<p>{head}</p><table>{cells}</table>")
