"""What did the learner's code give? Runs it, says what it raised, and reads any array as numpy."""

from __future__ import annotations

import dis
import inspect
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from initlab.format import percent

Array = NDArray[np.float64]

A_ROW_FOR_INPUTS = (
    "one row for each input. What does `nn.Linear(fan_in, fan_out).weight` have a row for?"
)
_HERE = str(Path(__file__).parent)


class NotAttempted(Exception):  # noqa: N818 (a state, not an error of the learner's)
    """The answer is still a stub; its text says by what one sees that."""


class NothingDone(NotAttempted):
    """Nothing came of a call: not attempted where the answer is a stub, else a mistake."""


class Rejected(Exception):  # noqa: N818 (a verdict, not an error of ours)
    """The answer cannot be measured, because of its form: the mistake's name, and what it is."""

    def __init__(self, mistake: str, message: str) -> None:
        super().__init__(message)
        self.mistake = mistake


class Entries(NamedTuple):
    """The numbers of an array in float64, and the spacing of the dtype that they came in."""

    values: Array
    eps: float


_IDLE = {"RESUME", "NOP", "POP_TOP", "LOAD_CONST", "STORE_FAST", "RETURN_CONST", "RETURN_VALUE"}


def is_stub(answer: Any) -> bool:
    """Is it a function whose body does nothing: `...`, `pass`, or `return None`?"""
    code = getattr(answer, "__code__", None)
    return code is not None and {step.opname for step in dis.get_instructions(code)} <= _IDLE


def call(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call the learner's function.

    Raises:
        NotAttempted: It returns `...`, raises `NotImplementedError`, or has a `...` left in a line.
        Rejected: It raises anything else, or takes another number of arguments.
    """
    with suppress(ValueError):  # written in C, without a signature
        signature = inspect.signature(function)
        try:
            signature.bind(*arguments)
        except TypeError:
            name = getattr(function, "__name__", type(function).__name__)
            raise Rejected(
                "signature",
                f"Your function is `{name}{signature}`, but the check calls it with "
                f"{len(arguments)} argument{'s' * (len(arguments) != 1)}. What does the task say "
                "that it takes?",
            ) from None
    try:
        value = function(*arguments)
    except Exception as error:
        own = isinstance(error, NotImplementedError) and "not implemented for" not in str(error)
        if own:  # torch raises them too: "... not implemented for 'Long'"
            raise NotAttempted("It raises NotImplementedError.") from None
        if isinstance(error, TypeError) and "ellipsis" in str(error).lower():
            raise NotAttempted(f"There is still a `...` to fill in: {_where(error)}") from None
        said = f"Your code raised {type(error).__name__}: {error}\n{_where(error)}"
        raise Rejected("raised", said) from None
    if value is ... or value is NotImplemented:
        raise NotAttempted("It returns `...`.")
    return value


def returned(value: Any) -> Any:
    """Pass on what a function returned, unless that is nothing."""
    if value is None:
        raise NothingDone(
            "Nothing came back. If you have written something: does your function `return` it?"
        )
    return value


def in_place(function: Callable[..., Any], tensor: Tensor, *arguments: Any) -> Any:
    """Call a function that may fill `tensor` in place or return a new one; give what it made."""
    before = tensor.clone()
    value = call(function, tensor, *arguments)
    if value is None and torch.equal(tensor.nan_to_num(), before.nan_to_num()):
        raise NothingDone("Nothing came back, and the tensor is as it was before.")
    return tensor if value is None else value


def as_entries(
    value: Any, shape: tuple[int, ...], *, whole: bool = False, transposed: str = A_ROW_FOR_INPUTS
) -> Entries:
    """Read a torch tensor, a numpy array or nested lists as finite real numbers of that shape.

    Args:
        value: What the learner's function made; any float dtype, with or without a gradient.
        shape: The shape that the task asks for; `()` also takes an array of one number.
        whole: Whether integers may be right.
        transposed: What to say of the transposed shape.

    Raises:
        Rejected: It is no array of numbers, or its dtype, shape or a number in it is wrong.
    """
    values, eps = _numbers(value, whole)
    if shape == () and values.size == 1:
        values = values.reshape(())
    if values.shape != shape:
        wrong = f"The task asks for shape {shape}, yours is {values.shape}"
        if len(shape) == 2 and values.shape == shape[::-1]:
            raise Rejected("transposed", f"{wrong}: {transposed}")
        raise Rejected("shape", f"{wrong}.")
    if not np.isfinite(values).all():
        share = percent(1 - np.isfinite(values).mean())
        what = (
            f"{share} of your numbers are nan or infinite" if shape else f"Your number is {values}"
        )
        raise Rejected(
            "not finite",
            f"{what}. Which operation makes that: a division by 0, the root or the logarithm of a "
            "negative number, or memory that nobody filled?",
        )
    return Entries(values, eps)


def as_number(value: Any) -> float:
    """Read a Python, numpy or torch number, also one in an array of one entry."""
    try:
        if isinstance(value, (str, bytes)):
            raise TypeError("a text is no number")
        return float(value.item() if hasattr(value, "item") else value)
    except OverflowError:  # an integer beyond the largest float
        return float("inf") if value > 0 else float("-inf")
    except (TypeError, ValueError, RuntimeError):
        raise Rejected(
            "not a number",
            f"The task asks for one number, yours is a {type(value).__name__} that is not. Is a "
            "mean or a count missing?",
        ) from None


def _numbers(value: Any, whole: bool) -> Entries:
    if isinstance(value, (list, tuple)) and any(
        isinstance(x, (Tensor, np.ndarray, list, tuple)) for x in value
    ):
        rows = [_numbers(x, whole) for x in value]
        shapes = [x.values.shape for x in rows]
        if len(set(shapes)) == 1:
            return Entries(np.stack([x.values for x in rows]), max(x.eps for x in rows))
        if isinstance(value, list):
            raise Rejected(
                "ragged", "Your rows have different lengths. How many inputs does each unit have?"
            )
        raise Rejected(
            "several values",
            f"Your function returns {len(rows)} values, of the shapes "
            f"{', '.join(map(str, shapes))}. Which one of them does the task ask for?",
        )
    is_float_tensor = isinstance(value, Tensor) and value.is_floating_point()
    try:
        if isinstance(value, Tensor):
            value = value.detach().cpu().to_dense().resolve_conj()
        array = value.double().numpy() if is_float_tensor else np.asarray(value)
        kind, dtype = array.dtype.kind, getattr(value, "dtype", array.dtype)
        if kind in "SU":
            raise TypeError("texts are no numbers")
        if kind in "iub" and not whole:
            raise Rejected(
                "integers",
                f"Your numbers have dtype {dtype}. Which numbers between 0 and 1 can it hold, and "
                "what does that do to small weights?",
            )
        if kind == "c":
            raise Rejected(
                "complex",
                f"Your numbers are complex ({dtype}). Is there a root of a negative number?",
            )
        values = array.astype(np.float64)
    except (TypeError, ValueError):
        raise Rejected(
            "not an array",
            f"Your function gives a {type(value).__name__}, which cannot be read as an array of "
            "numbers. What does the task say that it returns?",
        ) from None
    spacing: Any = torch.finfo if is_float_tensor else np.finfo
    return Entries(values, float(spacing(dtype).eps) if kind == "f" else 0.0)


def _where(error: Exception) -> str:
    """The learner's own line that raised; frames of the checker and of libraries are left out."""
    passed = traceback.extract_tb(error.__traceback__)
    frames = [frame for frame in passed if not frame.filename.startswith(_HERE)]
    if not frames:
        return "(raised before a line of yours ran)"
    mine = [frame for frame in frames if frame.filename == frames[0].filename][-1]
    return f"line {mine.lineno} in {mine.name}: `{mine.line or '?'}`"
