"""What does the learner expect, and what has stayed? Questions with radio buttons.

One small front end of our own serves both: a prediction must reach the kernel to stand beside the
measurement, and the kept-up quiz library (jupyterquiz) keeps it in the browser.
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from operator import contains
from pathlib import Path
from typing import Any, NamedTuple

import anywidget
import traitlets

from initlab.exercises.display import BAD, GOOD, OPEN, Note, as_html, box

_HERE = Path(__file__).parent
_NO_FEEDBACK = {"kind": "", "text": ""}
_predicted: dict[str, str] = {}


class Choices(anywidget.AnyWidget):
    """Questions with their options, each a group of radio buttons; state is in `chosen`.

    Without a kernel it reads as a list of the questions and their options.
    """

    _esm = _HERE / "choices.js"
    _css = _HERE / "choices.css"

    questions: traitlets.List[dict[str, Any]] = traitlets.List().tag(sync=True)
    chosen = traitlets.List(traitlets.Int()).tag(sync=True)
    feedback: traitlets.List[dict[str, str]] = traitlets.List().tag(sync=True)
    holds = traitlets.Bool(False).tag(sync=True)

    def __init__(self, questions: Sequence[tuple[str, Sequence[str]]]) -> None:
        super().__init__(
            questions=[{"question": text, "options": list(options)} for text, options in questions],
            chosen=[-1] * len(questions),
            feedback=[_NO_FEEDBACK] * len(questions),
        )
        self.observe(self._respond, "chosen")

    def _respond(self, change: object) -> None:
        self.feedback = [
            self._feedback(q, i) if i >= 0 else _NO_FEEDBACK for q, i in enumerate(self.chosen)
        ]

    def _feedback(self, question: int, option: int) -> dict[str, str]:
        raise NotImplementedError

    @traitlets.validate("chosen")
    def _validate_chosen(self, proposal: dict[str, Any]) -> list[int]:
        chosen: list[int] = proposal["value"]
        options = [range(-1, len(asked["options"])) for asked in self.questions]
        if len(chosen) != len(options) or not all(map(contains, options, chosen)):
            raise traitlets.TraitError(
                f"chosen must be one index for each of the {len(self.questions)} questions, "
                f"-1 for none, got {chosen}."
            )
        return chosen

    def __repr__(self) -> str:
        lines = []
        for asked in self.questions:
            lines += [asked["question"], *(f"  ( ) {option}" for option in asked["options"])]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        return "".join(
            f"<p><strong>{as_html(asked['question'])}</strong></p><ul>"
            + "".join(f"<li>{as_html(option)}</li>" for option in asked["options"])
            + "</ul>"
            for asked in self.questions
        )

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        """Add the list of questions for a reader without a kernel."""
        bundle, metadata = super()._repr_mimebundle_(**kwargs) or ({}, {})
        return {**bundle, "text/plain": repr(self), "text/html": self._repr_html_()}, metadata


class Prediction(Choices):
    """A question to answer before the cell that measures; `ask` makes it.

    While it `holds`, JupyterLab hides what the cells after it show, to the one that reveals and its
    explanation: an answer or the button "Show the measurement" ends that.
    """

    def __init__(self, question: str, options: Sequence[str], name: str | None) -> None:
        super().__init__([(question, options)])
        self._name = name
        if name is not None and _predicted.get(name) in options:
            self.chosen = [list(options).index(_predicted[name])]
        self.holds = self.choice is None

    @property
    def choice(self) -> str | None:
        """The option that is chosen, or `None`."""
        (option,) = self.chosen
        return None if option < 0 else str(self.questions[0]["options"][option])

    def _feedback(self, question: int, option: int) -> dict[str, str]:
        if self._name is not None and self.choice is not None:
            _predicted[self._name] = self.choice
        return {"kind": "open", "text": "Noted. The cells below measure it."}

    def reveal(self, measured: str, because: str = "") -> Note:
        """Put the measurement beside the prediction, where there is one.

        Args:
            measured: What came out: if one of the options, the note says whether both agree.
            because: Why, in a sentence or two.
        """
        found = f"Measured: {measured}."
        if self.choice is None:
            return Note(f"{found} {because}".rstrip(), box(OPEN, found, because))
        colour, said = OPEN, f"You predicted: {self.choice}."
        if measured == self.choice:
            colour, said, found = GOOD, f"✓ {said}", f"{found} They agree."
        elif measured in self.questions[0]["options"]:
            colour, said, found = BAD, f"✗ {said}", f"{found} They differ."
        return Note(
            f"{said} {found} {because}".rstrip(), box(colour, said, f"{found}\n{because}".rstrip())
        )


def ask(question: str, options: Sequence[str], *, name: str | None = None) -> Prediction:
    """Ask for a prediction, before the cell that measures.

    Args:
        question: One sentence; what stands in backticks is shown as code.
        options: At least two different answers.
        name: Under this name the choice outlives the widget, so that running the cell again keeps
            it for the session.

    Raises:
        TypeError: `options` is a single text.
        ValueError: There are fewer than two options, or two are equal.

    >>> guess = ask("What happens to the std?", ["it shrinks", "it stays"])
    >>> guess.reveal("it shrinks", "Each layer takes its part.")
    Measured: it shrinks. Each layer takes its part.
    """
    if isinstance(options, str):
        raise TypeError(f"options must be a list of texts, got the single text {options!r}.")
    if len(options) < 2 or len(set(options)) < len(options):
        raise ValueError(f"options must be at least two different texts, got {list(options)!r}.")
    return Prediction(question, options, name)


class Question(NamedTuple):
    """A question, its options with why each is right or not, and the index of the right one."""

    asks: str
    options: tuple[tuple[str, str], ...]
    right: int


def read_quiz(source: str) -> tuple[Question, ...]:
    """Read the questions of a quiz from TOML.

    Args:
        source: As in the example: one option of each question has `right = true`.

    Raises:
        ValueError: It is no TOML, a key is missing or unknown, or not exactly one option is right.

    >>> read_quiz('''
    ... [[question]]
    ... asks = "1 + 1?"
    ... option = [
    ...     {text = "2", because = "Count.", right = true}, {text = "11", because = "No, texts."}
    ... ]
    ... ''')[0].right
    0
    """
    questions = []
    for asked in tomllib.loads(source)["question"]:
        options = asked["option"]
        right = [place for place, option in enumerate(options) if option.get("right")]
        keys = [option.keys() - {"right"} for option in options]
        if len(right) != 1 or any(found != {"text", "because"} for found in keys):
            raise ValueError(
                f"question {asked['asks']!r} must have options with text and because, one of them "
                f"with right = true, got {options}."
            )
        texts = tuple((option["text"], option["because"]) for option in options)
        questions.append(Question(asked["asks"], texts, right[0]))
    return tuple(questions)


class Quiz(Choices):
    """Questions with feedback for each option."""

    def __init__(self, asked: Sequence[Question]) -> None:
        super().__init__([(q.asks, [option for option, _ in q.options]) for q in asked])
        self._asked = asked

    def _feedback(self, question: int, option: int) -> dict[str, str]:
        asked = self._asked[question]
        because = asked.options[option][1]
        if option == asked.right:
            return {"kind": "right", "text": f"✓ Right. {because}"}
        return {"kind": "wrong", "text": f"✗ Not quite. {because}"}
