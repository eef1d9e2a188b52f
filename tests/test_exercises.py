"""Do checks, hints, solutions and progress behave, whatever a learner hands in?"""

from __future__ import annotations

import inspect
import json
import random

import numpy as np
import pytest
import torch
from torch import nn

import initlab as il
from initlab.exercises import progress_file
from initlab.lessons import COURSE, EXERCISES

COUNT = len(EXERCISES)


@pytest.fixture(autouse=True)
def _own_folder(tmp_path, monkeypatch):
    """Progress of each test in a folder and a session of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("INITLAB_PROGRESS", raising=False)
    monkeypatch.setattr(progress_file, "_session", {})
    monkeypatch.setattr(progress_file, "_said", set())
    monkeypatch.setattr(COURSE, "_hints_given", {})


def kaiming(fan_in, fan_out):
    return torch.randn(fan_out, fan_in) * (2 / fan_in) ** 0.5


def written(source, name):
    names = {}
    exec(source, names)
    return names[name]


# --- what is declared ---


@pytest.mark.parametrize("name", EXERCISES)
def test_the_stub_is_not_attempted_and_the_solution_is_correct(name):
    exercise = EXERCISES[name]
    assert il.check(name, written(exercise.stub, name)).status == "not attempted"
    outcome = il.check(name, written(il.solution(name).text, name))
    assert (outcome.status, outcome.message) == ("correct", exercise.praise)


@pytest.mark.parametrize("exercise", EXERCISES.values(), ids=EXERCISES)
def test_an_exercise_is_fully_declared(exercise):
    assert len(exercise.hints) >= 3
    assert len(exercise.mistakes) >= 4
    assert exercise.notebook.isdigit()
    assert len(exercise.notebook) == 2
    for text in [exercise.task, exercise.praise, *exercise.hints]:
        assert text[-1] in ".?"
    answer = written(exercise.solution, exercise.name)
    arguments = str(inspect.signature(answer)) if callable(answer) else None
    assert exercise.call == (arguments and f"{exercise.name}{arguments}")


def test_most_sentences_ask_instead_of_telling():
    says = [mistake.says for exercise in EXERCISES.values() for mistake in exercise.mistakes]
    assert sum("?" in text for text in says) / len(says) > 0.95


# --- what is no attempt, and what raises ---


def raises_not_implemented(fan_in, fan_out):
    raise NotImplementedError


def has_a_gap(fan_in, fan_out):
    std = ...
    return torch.randn(fan_out, fan_in) * std


@pytest.mark.parametrize(
    ("stub", "message"),
    [
        (None, "Nothing to check yet."),
        (..., "Nothing to check yet."),
        (lambda i, o: None,
         "Nothing came back. If you have written something: does your function `return` it?"),
        (lambda i, o: ..., "It returns `...`."),
        (lambda weight: None, "Nothing came back, and the tensor is as it was before."),
        (raises_not_implemented, "It raises NotImplementedError."),
        (has_a_gap,
         "There is still a `...` to fill in: line {line} in has_a_gap: `return "
         "torch.randn(fan_out, fan_in) * std`"),
    ],
)  # fmt: skip
def test_a_stub_is_not_attempted(stub, message):
    line = has_a_gap.__code__.co_firstlineno + 2
    outcome = il.check("kaiming_normal", stub)
    assert (outcome.status, outcome.message) == ("not attempted", message.format(line=line))


def outer(fan_in, fan_out):
    return inner(fan_in)


def inner(fan_in):
    return nn.init.kaiming_normal_(torch.empty(fan_in))


def test_an_exception_is_shown_with_the_learners_own_line():
    outcome = il.check("kaiming_normal", outer)
    line = inner.__code__.co_firstlineno + 1
    assert outcome.status == "incorrect"
    assert outcome.message == (
        "Your code raised ValueError: Fan in and fan out can not be computed for tensor with fewer "
        "than 2 dimensions\n"
        f"line {line} in inner: `return nn.init.kaiming_normal_(torch.empty(fan_in))`"
    )


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (kaiming(100, 200),
         "Your answer is of type Tensor and no function. The check calls "
         "`kaiming_normal(fan_in, fan_out)` itself, several times. Did you put brackets behind "
         "its name?"),
        (3,
         "Your answer is of type int, 3, and no function. The check calls "
         "`kaiming_normal(fan_in, fan_out)` itself, several times. Did you put brackets behind "
         "its name?"),
        (lambda: 1,
         "Your function is `<lambda>()`, but the check calls it with 2 arguments. What does "
         "the task say that it takes?"),
        (lambda i, o: kaiming(o, i),
         "The task asks for shape (200, 100), yours is (100, 200): one row for each input. "
         "What does `nn.Linear(fan_in, fan_out).weight` have a row for?"),
        (lambda i, o: kaiming(i, o + 1),
         "The task asks for shape (200, 100), yours is (201, 100)."),
        (lambda i, o: {"a": 1},
         "Your function gives a dict, which cannot be read as an array of numbers. What "
         "does the task say that it returns?"),
        (lambda i, o: 0.5 * kaiming(i, o) / i,
         "With fan_in=100 and fan_out=200 your standard deviation is 0.005 times the one "
         "that the task asks for. By which factor must the numbers change, and how does it "
         "depend on the two fans?"),
        (lambda i, o: kaiming(i, o) / 2**0.5,
         "Your variance is 1/n: that keeps a linear layer level. What does ReLU do to half "
         "of the signal?"),
    ],
)  # fmt: skip
def test_a_wrong_answer_is_told_what_is_wrong(answer, message):
    outcome = il.check("kaiming_normal", answer)
    assert outcome.status == "incorrect"
    head, _, tail = message.partition("0.005")  # the one number that is drawn
    assert outcome.message.startswith(head)
    assert outcome.message.endswith(tail)


@pytest.mark.parametrize(
    ("answer", "mistake", "message"),
    [
        (lambda depth: float("inf"), "not finite", "Your number is inf."),
        (lambda depth: torch.tensor([torch.nan]), "not finite", "Your number is nan."),
        (lambda depth: -(10**400), "not finite", "Your number is -inf."),
        (lambda depth: "0.5", "not a number", "The task asks for one number, yours is a str that"),
        (lambda depth: [0.5], "not a number", "The task asks for one number, yours is a list that"),
    ],
)
def test_one_number_is_asked_for(answer, mistake, message):
    outcome = il.check("residual_scaling", answer)
    assert (outcome.status, outcome.mistake) == ("incorrect", mistake)
    assert outcome.message.startswith(message)


def test_a_name_that_is_misspelt_raises():
    with pytest.raises(
        ValueError, match=r"name='kaiming_norml' is no exercise: did you mean 'kaiming_normal'"
    ):
        il.check("kaiming_norml", None)
    with pytest.raises(ValueError, match=r"^step must be a whole number from 1 to 3, got 0.$"):
        il.hint("orthogonal", step=0)


# --- what the check leaves behind ---


@pytest.mark.parametrize("fails", [False, True])
def test_the_global_random_state_is_as_before(fails):
    def draws_everywhere(fan_in, fan_out):
        random.random()
        np.random.rand()  # noqa: NPY002
        torch.rand(1)
        return 1 / 0 if fails else kaiming(fan_in, fan_out)

    def next_numbers():
        return random.random(), np.random.rand(), torch.rand(1).item()  # noqa: NPY002

    random.seed(0), np.random.seed(0), torch.manual_seed(0)  # noqa: NPY002
    expected = next_numbers()
    random.seed(0), np.random.seed(0), torch.manual_seed(0)  # noqa: NPY002
    il.check("kaiming_normal", draws_everywhere)
    assert next_numbers() == expected


def test_the_arguments_are_the_learners_to_change():
    def careless(counts):
        total = sum(counts)
        counts[:] = [np.log(count / total) for count in counts]
        return counts

    assert il.check("output_bias", careless).status == "correct"
    assert il.check("output_bias", careless).status == "correct"


# --- how it is shown ---


@pytest.mark.parametrize(
    ("answer", "head", "colour"),
    [
        (None, "○ Not attempted (kaiming_normal):", "#5b7db1"),
        (lambda i, o: 1 < 0, "✗ Not yet (kaiming_normal):", "#d1495b"),
        (kaiming, "✓ Correct (kaiming_normal):", "#2e8b57"),
    ],
)
def test_an_outcome_has_a_sign_a_word_and_a_colour(answer, head, colour):
    outcome = il.check("kaiming_normal", answer)
    assert repr(outcome) == f"{head} {outcome.message}"
    assert f"<strong>{head}</strong>" in outcome._repr_html_()
    assert f"solid {colour}" in outcome._repr_html_()


def test_what_a_learner_wrote_is_escaped():
    def breaks(fan_in, fan_out):
        raise KeyError("<b>")

    shown = il.check("kaiming_normal", breaks)._repr_html_()
    assert "&lt;b&gt;" in shown
    assert "<b>" not in shown
    assert "<code>raise KeyError(&quot;&lt;b&gt;&quot;)</code>" in shown


def test_hints_come_in_steps():
    first, second, third, last, again = (il.hint("xavier_uniform").text for _ in range(5))
    hints = EXERCISES["xavier_uniform"].hints
    assert [first, second, third] == [f"Hint {k} of 3: {hint}" for k, hint in enumerate(hints, 1)]
    assert last == again
    assert last == (
        'There are no more hints for xavier_uniform. `il.solution("xavier_uniform")` shows one way '
        "to write it."
    )
    assert il.hint("xavier_uniform", step=2).text == second
    assert il.hint("xavier_conv").text.startswith("Hint 1 of 3")


def test_a_solution_is_folded_in_html():
    shown = il.solution("residual_scaling")
    assert repr(shown).startswith("def residual_scaling(blocks):\n    return (2 ** (1 / (2 * ")
    assert shown._repr_html_().startswith("<details><summary>Solution of")


def test_an_exercise_shows_its_task_and_stub():
    exercise = EXERCISES["read_trace"]
    assert exercise.task in repr(exercise)
    assert exercise.stub in repr(exercise)
    assert "<pre><code># rms at layer" in exercise._repr_html_()


# --- progress ---

FILE = ".initlab_progress.json"


def test_progress_is_kept_in_a_file_and_correct_stays(tmp_path, monkeypatch):
    il.check("kaiming_normal", None)
    assert list(tmp_path.iterdir()) == []  # a notebook that is run as it comes writes nothing
    il.check("kaiming_normal", kaiming)
    il.check("kaiming_normal", lambda i, o: kaiming(o, i))
    il.check("orthogonal", kaiming)
    monkeypatch.setattr(progress_file, "_session", {})
    assert json.loads((tmp_path / FILE).read_text()) == {
        "exercises": {"kaiming_normal": "correct", "orthogonal": "incorrect"}
    }
    assert [path.name for path in tmp_path.iterdir()] == [FILE]
    text = il.progress().text.splitlines()
    assert text[0] == f"1 of {COUNT} exercises done (✓ correct, ✗ not yet, ○ not attempted)"
    assert any(line.startswith("  06") and "✓ kaiming_normal" in line for line in text)
    assert any(line.startswith("  07") and "✗ orthogonal" in line for line in text)
    assert "✓&nbsp;<code>kaiming_normal</code>" in il.progress().html


def test_what_others_wrote_meanwhile_stays(tmp_path):
    il.check("orthogonal", kaiming)
    (tmp_path / FILE).write_text('{"exercises": {"orthogonal": "correct", "future": "correct"}}')
    il.check("kaiming_normal", kaiming)
    kept = json.loads((tmp_path / FILE).read_text())["exercises"]
    assert kept == {"orthogonal": "correct", "future": "correct", "kaiming_normal": "correct"}


@pytest.mark.parametrize(
    "broken", ['{"exercises": {"orth', "[]", '{"exercises": [1]}', '{"exercises": {"a": 1}}', ""]
)
def test_a_broken_file_is_set_aside(tmp_path, broken):
    for number in (1, 2):
        (tmp_path / FILE).write_text(broken)
        assert il.progress().text.startswith(f"0 of {COUNT} ")
        assert (tmp_path / f"{FILE}.broken-{number}").read_text() == broken
    il.check("kaiming_normal", kaiming)
    assert json.loads((tmp_path / FILE).read_text()) == {"exercises": {"kaiming_normal": "correct"}}


def test_a_crash_while_writing_leaves_the_old_file(tmp_path, monkeypatch):
    il.check("kaiming_normal", kaiming)
    before = (tmp_path / FILE).read_text()

    def crash(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr("os.replace", crash)
    with pytest.raises(KeyboardInterrupt):
        il.check("orthogonal", kaiming)
    assert (tmp_path / FILE).read_text() == before
    assert [path.name for path in tmp_path.iterdir()] == [FILE]


def test_a_folder_that_cannot_be_written_is_told_once_and_the_session_goes_on(monkeypatch):
    def refuse(*arguments, **more):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.mkstemp", refuse)
    first = il.check("kaiming_normal", kaiming)
    assert first.status == "correct"
    assert first.message.endswith(
        "\n(Progress is not kept: .initlab_progress.json cannot be written here, "
        "Permission denied.)"
    )
    assert "Progress" not in il.check("orthogonal", kaiming).message
    assert il.progress().text.startswith(f"1 of {COUNT} ")


def test_progress_can_be_switched_off_or_kept_elsewhere(tmp_path, monkeypatch):
    monkeypatch.setenv("INITLAB_PROGRESS", "off")
    il.check("kaiming_normal", kaiming)
    assert list(tmp_path.iterdir()) == []
    assert il.progress().text.startswith(f"1 of {COUNT} ")
    monkeypatch.setenv("INITLAB_PROGRESS", str(tmp_path / "mine.json"))
    il.check("residual_scaling", lambda blocks: blocks**-0.5)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.json"]
