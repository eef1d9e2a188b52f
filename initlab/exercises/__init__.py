"""Is what I wrote right, and if not, what did I mix up?

The machinery; what is asked stands in `initlab.lessons`.

Where to look:

    exercise         what an exercise declares, and how an answer is judged
    answers          how the learner's code is called and its arrays are read
    values           a common kind: functions with known values
    random_matrices  another: matrices of independent random numbers
    statistics       when random numbers pass, and how seldom that errs
    choices          predictions and quizzes, with one front end
    course           exercises and quizzes together: check, hint, solution, progress, quiz
    progress_file    what is done, kept beside the notebooks
"""

from __future__ import annotations

from initlab.exercises.choices import Choices, Prediction, Question, Quiz, ask, read_quiz
from initlab.exercises.course import Course
from initlab.exercises.display import Note
from initlab.exercises.exercise import Exercise, Mistake, Outcome

__all__ = [
    "Choices",
    "Course",
    "Exercise",
    "Mistake",
    "Note",
    "Outcome",
    "Prediction",
    "Question",
    "Quiz",
    "ask",
    "read_quiz",
]
