"""Is a number written in one way, and so that nothing wrong is read?"""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from initlab.format import number, percent, times

NUMBERS = {
    0: "0", 1: "1", -1.0: "-1", 0.5: "0.5", 0.984: "0.98", 9.96: "10", 12: "12",
    99.6: "100", 123.4: "120", 12345.6: "12000", -12345.6: "-12000", 99_400: "99000",
    99_600: "1e5", 123_456: "1.2e5", 0.001: "0.001", 0.00123: "0.0012", 0.00099996: "0.001",
    0.000994: "9.9e-4", 3.04e-12: "3e-12", -2.5e-7: "-2.5e-7", 1e300: "1e300", 5e-324: "4.9e-324",
    math.inf: "inf", -math.inf: "-inf",
}  # fmt: skip


def test_two_digits_are_written_as_people_read_them():
    assert {value: number(value) for value in NUMBERS} == NUMBERS
    assert [number(-0.0), number(math.nan)] == ["0", "nan"]


def test_the_number_of_digits_can_be_chosen():
    assert [number(2.302585, digits) for digits in (1, 3, 4)] == ["2", "2.3", "2.303"]
    assert [number(12345.6, digits) for digits in (1, 3, 6)] == ["10000", "12300", "12345.6"]
    assert number(1.23456e-9, 4) == "1.235e-9"


@pytest.mark.parametrize("digits", [1, 2, 3, 5])
def test_what_is_written_is_the_number_to_its_digits(digits):
    for value in np.random.default_rng(0).standard_normal(200) * 10.0 ** np.linspace(-12, 12, 200):
        assert float(number(value, digits)) == float(f"{value:.{digits - 1}e}")


def test_numbers_of_numpy_and_torch_are_numbers():
    assert [number(np.float32(0.25)), number(torch.tensor(0.25))] == ["0.25", "0.25"]
    assert percent(np.float32(0.25)) == percent(torch.tensor(0.25)) == "25 %"


def test_a_share_is_0_or_100_percent_only_where_it_is():
    shares = [0, 1e-9, 0.0099, 0.01, 0.246, 0.5, 0.99, 0.9901, 1 - 1e-9, 1, 1.5, math.nan]
    assert [percent(share) for share in shares] == [
        "0 %", "less than 1 %", "less than 1 %", "1 %", "25 %", "50 %", "99 %",
        "more than 99 %", "more than 99 %", "100 %", "150 %", "nan %",
    ]  # fmt: skip


def test_a_factor_is_so_many_times():
    assert [times(factor) for factor in (0.5, 1, 4.0, 1234.5)] == [
        "0.5 times", "1 times", "4 times", "1200 times",
    ]  # fmt: skip
