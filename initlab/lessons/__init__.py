"""What do the notebooks set and ask? Exercises and quizzes: content, no machinery.

    il.check("xavier_uniform", my_function)   # an outcome: status, message, the mistake's name
    il.hint("xavier_uniform")                 # one step further at each call
    il.solution("xavier_uniform")             # folded until it is opened
    il.progress()                             # what is done
    il.quiz("00")                             # three questions at a notebook's end

A lesson has a module `nXX_...` with its `EXERCISES`, right and wrong answers to them in
`answers/nXX.py` (for the tests, which judge each of them), and a quiz in `quizzes/XX.toml`. A new
file is found by its name.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from initlab.exercises import Course, read_quiz

_HERE = Path(__file__).parent

COURSE = Course(
    [
        exercise
        for path in sorted(_HERE.glob("n[0-9][0-9]_*.py"))
        for exercise in import_module(f"{__name__}.{path.stem}").EXERCISES
    ],
    {
        path.stem: read_quiz(path.read_text("utf-8"))
        for path in sorted(_HERE.glob("quizzes/*.toml"))
    },
)
EXERCISES, QUIZZES = COURSE.exercises, COURSE.quizzes
check, hint, solution = COURSE.check, COURSE.hint, COURSE.solution
progress, quiz = COURSE.progress, COURSE.quiz

__all__ = [
    "COURSE",
    "EXERCISES",
    "QUIZZES",
    "check",
    "hint",
    "progress",
    "quiz",
    "solution",
]
