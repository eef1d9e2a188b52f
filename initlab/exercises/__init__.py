"""Is what I wrote right, and if not, what did I mix up?

    il.check("xavier_uniform", my_function)   # an outcome: status, message, the mistake's name
    il.hint("xavier_uniform")                 # one step further at each call
    il.solution("xavier_uniform")             # folded until it is opened
    il.progress()                             # what is done
    guess = il.ask("What happens?", ["it grows", "it shrinks"])   # a prediction
    il.quiz("00")                             # three questions at a notebook's end

Where to look:

    entries/       the exercises and the quiz of each notebook; a new exercise is one entry there
    exercise       what an entry declares
    verdict        how an answer is judged
    answers        how the learner's code is called and its arrays are read
    statistics     when random numbers pass, and how seldom that errs
    drawn, exact   the two common kinds: random matrices, and functions with exact values
    choices        predictions and quizzes, with one front end; the questions are in entries
    diary          the progress file
"""

from __future__ import annotations

from initlab.exercises.choices import Choices, Prediction, Quiz, ask, quiz
from initlab.exercises.display import Note
from initlab.exercises.entries import EXERCISES, QUIZZES
from initlab.exercises.exercise import Exercise, Mistake, Question
from initlab.exercises.verdict import Outcome, check, hint, progress, solution

__all__ = [
    "EXERCISES",
    "QUIZZES",
    "Choices",
    "Exercise",
    "Mistake",
    "Note",
    "Outcome",
    "Prediction",
    "Question",
    "Quiz",
    "ask",
    "check",
    "hint",
    "progress",
    "quiz",
    "solution",
]
