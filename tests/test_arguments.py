import math

import numpy as np
import pytest

from initlab.arguments import choice, number, unknown, whole


@pytest.mark.parametrize("value", [1, np.int64(1)])
def test_whole_numbers_of_python_and_numpy_pass(value):
    assert whole("n", value) == 1
    assert type(whole("n", value)) is int


@pytest.mark.parametrize("value", [0.5, np.float32(0.5), 1])
def test_numbers_of_python_and_numpy_pass(value):
    assert number("p", value, low=0, high=1) == value
    assert type(number("p", value)) is float


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: whole("n", 0), ValueError, "n must be a whole number of at least 1, got 0."),
        (
            lambda: whole("n", True),
            TypeError,
            "n must be a whole number of at least 1, got True of type bool.",
        ),
        (
            lambda: whole("n", 2.0, least=0),
            TypeError,
            "n must be a whole number of at least 0, got 2.0 of type float.",
        ),
        (lambda: number("m", math.nan), ValueError, "m must be a finite number, got nan."),
        (
            lambda: number("s", "1"),
            TypeError,
            "s must be a finite number, got '1' of type str.",
        ),
        (
            lambda: number("s", 0, low=0, open_=True),
            ValueError,
            "s must be a finite number above 0, got 0.",
        ),
        (
            lambda: number("p", 1.5, low=0, high=1),
            ValueError,
            "p must be a finite number from 0 to 1, got 1.5.",
        ),
        (
            lambda: number("p", 1, low=0, high=1, open_=True),
            ValueError,
            "p must be a finite number between 0 and 1, got 1.",
        ),
        (
            lambda: choice("mode", "fan_ni", ["fan_in", "fan_out"]),
            ValueError,
            "mode='fan_ni' is unknown: did you mean 'fan_in' or 'fan_out'? "
            "Allowed: fan_in, fan_out.",
        ),
        (
            lambda: choice("mode", 3, ["fan_in", "fan_out"]),
            ValueError,
            "mode=3 is unknown. Allowed: fan_in, fan_out.",
        ),
    ],
)
def test_what_is_wrong_is_said(call, error, message):
    with pytest.raises(error) as caught:
        call()
    assert str(caught.value) == message


def test_a_name_where_there_is_none():
    assert unknown("parameter of zeros", "x", []) == (
        "parameter of zeros='x' is unknown. Allowed: none."
    )
