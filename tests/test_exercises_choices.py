"""Do predictions and quizzes work with a kernel, and read without one?"""

from __future__ import annotations

import re

import pytest
import traitlets

import initlab as il
from initlab.exercises import choices
from initlab.lessons import QUIZZES

OPTIONS = ["it shrinks", "it stays", "it grows"]


@pytest.fixture(autouse=True)
def _no_memory(monkeypatch):
    monkeypatch.setattr(choices, "_predicted", {})


def choose(widget, *chosen):
    """What the front end does when a radio button is clicked."""
    widget.set_state({"chosen": list(chosen)})


@pytest.mark.parametrize(
    ("chosen", "measured", "text", "colour"),
    [
        (-1, "it shrinks", "Measured: it shrinks. Why.", "#5b7db1"),
        (0, "it shrinks", "✓ You predicted: it shrinks. Measured: it shrinks. They agree. Why.",
         "#2e8b57"),
        (2, "it shrinks", "✗ You predicted: it grows. Measured: it shrinks. They differ. Why.",
         "#d1495b"),
        (2, "0.41 per layer", "You predicted: it grows. Measured: 0.41 per layer. Why.", "#5b7db1"),
    ],
)  # fmt: skip
def test_a_reveal_puts_the_measurement_beside_the_prediction(chosen, measured, text, colour):
    guess = il.ask("What happens to the std?", OPTIONS)
    choose(guess, chosen)
    assert guess.choice == (OPTIONS[chosen] if chosen >= 0 else None)
    revealed = guess.reveal(measured, "Why.")
    assert repr(revealed) == text
    assert f"solid {colour}" in revealed._repr_html_()
    assert measured in revealed._repr_html_()


def test_a_named_prediction_outlives_its_widget():
    choose(il.ask("Std?", OPTIONS, name="std"), 1)
    choose(il.ask("Std?", OPTIONS), 2)
    assert il.ask("Std?", OPTIONS, name="std").choice == "it stays"
    assert il.ask("Std?", OPTIONS, name="other").choice is None
    assert il.ask("Std?", ["yes", "no"], name="std").choice is None


def test_options_are_checked():
    with pytest.raises(
        TypeError, match=r"^options must be a list of texts, got the single text 'ab'.$"
    ):
        il.ask("?", "ab")
    with pytest.raises(
        ValueError, match=r"^options must be at least two different texts, got \['a', 'a'\].$"
    ):
        il.ask("?", ["a", "a"])
    with pytest.raises(ValueError, match=r"^notebook='77' has no quiz; there is one for: 00, .*02"):
        il.quiz("77")


@pytest.mark.parametrize("chosen", [[0, 0], [7], [-2], []])
def test_a_choice_that_does_not_exist_is_refused(chosen):
    guess = il.ask("?", OPTIONS)
    with pytest.raises(traitlets.TraitError, match="chosen must be one index for each of the 1"):
        guess.chosen = chosen
    assert guess.choice is None


@pytest.mark.parametrize("notebook", QUIZZES)
def test_a_quiz_has_three_questions_with_feedback_for_each_option(notebook):
    assert len(QUIZZES[notebook]) == 3
    for q, question in enumerate(QUIZZES[notebook]):
        assert len(question.options) >= 3
        for k, (_, feedback) in enumerate(question.options):
            quiz = il.quiz(notebook)
            chosen = [-1, -1, -1]
            chosen[q] = k
            choose(quiz, *chosen)
            kind, sign = ("right", "✓ Right.") if k == question.right else ("wrong", "✗ Not quite.")
            assert quiz.feedback[q] == {"kind": kind, "text": f"{sign} {feedback}"}
            assert [f["text"] for f in quiz.feedback if f["text"]] == [f"{sign} {feedback}"]


def test_the_right_option_is_not_always_at_the_same_place():
    assert len({question.right for questions in QUIZZES.values() for question in questions}) == 3


@pytest.mark.parametrize("make", [lambda: il.quiz("02"), lambda: il.ask("Is `x` < 0?", ["a", "b"])])
def test_it_reads_without_a_kernel_and_without_answers(make):
    widget, other = make(), make()
    choose(widget, *[0] * len(widget.questions))
    bundle, _ = widget._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in bundle
    for asked in widget.questions:
        assert asked["question"] in bundle["text/plain"]
        assert all(f"  ( ) {option}" in bundle["text/plain"] for option in asked["options"])
    for kind in ("text/plain", "text/html"):  # the same at each run, so that nbval can compare
        assert bundle[kind] == other._repr_mimebundle_()[0][kind]
        assert not re.search("Right|Not quite|Noted", bundle[kind])
    assert "<li>" in bundle["text/html"]


def test_text_is_escaped_and_backticks_are_code():
    shown = il.ask("Is `x` < 0?", ["a", "b"])._repr_html_()
    assert "Is <code>x</code> &lt; 0?" in shown
