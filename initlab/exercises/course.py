"""Which exercises and quizzes does a course have, and how far has the learner come?"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from initlab.exercises import progress_file
from initlab.exercises.choices import Question, Quiz
from initlab.exercises.display import Note, as_html
from initlab.exercises.exercise import LOOK, Exercise, Outcome, judge
from initlab.probe.preserving import keep_random_states


class Course:
    """Content (`initlab.lessons` holds ours), and five questions to it.

    Args:
        exercises: In the order of the notebooks; their names differ.
        quizzes: Two digits of a notebook → the questions that end it.
    """

    def __init__(
        self, exercises: Iterable[Exercise], quizzes: Mapping[str, Sequence[Question]]
    ) -> None:
        self.exercises = {exercise.name: exercise for exercise in exercises}
        self.quizzes = dict(quizzes)
        self._hints_given: dict[str, int] = {}

    def find(self, name: str) -> Exercise:
        """Give the exercise of that name, or say which are nearest."""
        known = self.exercises
        if name in known:
            return known[name]
        near = difflib.get_close_matches(str(name), known, n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(map(repr, near))}?" if near else "choose one of them."
        raise ValueError(
            f"name={name!r} is no exercise: {hint} The exercises are: {', '.join(known)}."
        )

    def check(self, name: str, answer: Any) -> Outcome:
        """Judge an answer, and name the typical mistake that produced it.

        The check calls the function on several cases (fan-in and fan-out always differ), twice
        where it draws random numbers, and reads what comes back in numpy, torch or nested lists, in
        any float dtype, returned or filled in place. Random numbers are judged by at least 20,000
        of them; the chance to reject a right answer is below 2e-8, and the chance to accept one
        whose standard deviation is off by 10 % below 1e-17 (`initlab.exercises.statistics` says
        how). The random states of Python, numpy and torch stay as they were. A right answer is
        noted in the progress file (see `il.progress`).

        Args:
            name: A key of `il.lessons.EXERCISES`.
            answer: What you wrote: the function itself, or the object that the task asks for.

        Returns:
            The outcome. An untouched stub (`...`, `None`, `pass`, `NotImplementedError`) is "not
            attempted"; an exception in your code is "incorrect", with the line that raised it.

        Raises:
            ValueError: No exercise has that name.
        """
        exercise = self.find(name)
        put_back = keep_random_states()  # the next cell draws the same, checked or not
        try:
            with np.errstate(all="ignore"):
                outcome = judge(exercise, answer)
        finally:
            put_back()
        note = progress_file.record(name, outcome.status)
        return replace(outcome, message=f"{outcome.message}\n{note}".rstrip("\n"))

    def hint(self, name: str, step: int | None = None) -> Note:
        """Give the next hint for an exercise; each call goes one step further.

        Args:
            name: A key of `il.lessons.EXERCISES`.
            step: Which hint, counted from 1. Left out: the next one in this session.

        Raises:
            ValueError: No exercise has that name, or `step` is below 1.
        """
        hints = self.find(name).hints
        if step is None:
            step = self._hints_given[name] = self._hints_given.get(name, 0) + 1
        if step < 1:
            raise ValueError(f"step must be a whole number from 1 to {len(hints)}, got {step}.")
        if step <= len(hints):
            text = f"Hint {step} of {len(hints)}: {hints[step - 1]}"
        else:
            text = (
                f"There are no more hints for {name}. "
                f'`il.solution("{name}")` shows one way to write it.'
            )
        return Note(text, f"<p>{as_html(text)}</p>")

    def solution(self, name: str) -> Note:
        """Show one way to write it: `.text`, and in a notebook folded until you open it.

        Raises:
            ValueError: No exercise has that name.
        """
        source = self.find(name).solution.strip("\n")
        return Note(
            source,
            f"<details><summary>Solution of <code>{name}</code></summary>"
            f"{as_html(source, code=True)}</details>",
        )

    def progress(self) -> Note:
        """Show which exercises are done, notebook by notebook.

        Progress is kept in one small file, `.initlab_progress.json`, in the folder that the
        notebook runs in. The environment variable `INITLAB_PROGRESS` names another file; with the
        value "off" progress lives only as long as the session. What this shows depends on the
        learner, so a notebook that is compared by a test tags its cell `nbval-ignore-output`.
        """
        done = progress_file.read()
        rows: dict[str, list[tuple[str, str]]] = {}
        for exercise in self.exercises.values():
            sign = LOOK[done.get(exercise.name, "not attempted")][0]
            rows.setdefault(exercise.notebook, []).append((sign, exercise.name))
        count = sum(done.get(name) == "correct" for name in self.exercises)
        legend = "(✓ correct, ✗ not yet, ○ not attempted)"
        head = f"{count} of {len(self.exercises)} exercises done {legend}"
        lines = [
            f"  {notebook}  " + "   ".join(f"{sign} {name}" for sign, name in entries)
            for notebook, entries in sorted(rows.items())
        ]
        cells = "".join(
            f'<tr><th scope="row" style="text-align: left">{notebook}</th>'
            '<td style="text-align: left">'
            + "&emsp;".join(f"{sign}&nbsp;<code>{name}</code>" for sign, name in entries)
            + "</td></tr>"
            for notebook, entries in sorted(rows.items())
        )
        return Note("\n".join([head, *lines]), f"<p>{head}</p><table>{cells}</table>")

    def quiz(self, notebook: str) -> Quiz:
        """Give the three questions that end a notebook, as a widget that explains each option.

        Args:
            notebook: Its two digits, such as "00".

        Raises:
            ValueError: That notebook has no quiz.
        """
        if notebook not in self.quizzes:
            raise ValueError(
                f"notebook={notebook!r} has no quiz; there is one for: {', '.join(self.quizzes)}."
            )
        return Quiz(self.quizzes[notebook])
