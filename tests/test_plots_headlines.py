"""Headlines are true of the numbers, and read as a sentence."""

import pytest

from initlab.plots import headlines, records
from plot_records import NAN, trace

COURSES = {
    "level": [1, 1.2, 0.8],
    "smaller": [1, 0.5, 0.2],
    "gone": [1, 0.1, 1e-3],
    "larger": [1, 2, 4],
    "huge": [1, 50, 1e3],
    "wave": [1, 9, 1.1],
    "dead": [1, 1, 0],
    "broken": [1, 1, NAN],
}


def rows(*names, quantity="activation"):
    found = {}
    for name in names:
        sizes = COURSES[name]
        one = trace(sizes, gradients=sizes[::-1])
        found["" if len(names) == 1 else name] = records.picked(one, quantity, None)
    return found


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["level"], "The signal keeps its size"),
        (["smaller"], "The signal shrinks 5 times"),
        (["gone"], "The signal is lost: it shrinks 1000 times"),
        (["larger"], "The signal grows 4 times"),
        (["huge"], "The signal explodes: it grows 1000 times"),
        (["wave"], "The signal varies up to 9 times"),
        (["dead"], "The signal is exactly 0 from layer 3 on"),
        (["broken"], "The signal is nan or inf from layer 3 on"),
        (["gone", "level"], "level keeps the signal; gone loses it"),
        (["smaller", "larger"],
         "smaller shrinks the signal 5 times; larger amplifies it 4 times"),
        (["dead", "broken"], "dead gives exactly 0; broken ends in nan or inf"),
        (list(COURSES), "level keeps the signal, the other 7 do not"),
        (list(COURSES)[1:6], "None of 5 keeps the signal"),
    ],
)  # fmt: skip
def test_across_depth(names, said):
    assert headlines.across_depth(rows(*names), "activation") == said


def test_a_level_signal_may_be_saturated():
    full = [
        row._replace(saturated=share)
        for row, share in zip(rows("level")[""], (0.4, 0.6, 0.8), strict=True)
    ]
    said = headlines.across_depth({"normal": full, "xavier": rows("level")[""]}, "activation")
    assert said == "xavier keeps the signal; normal saturates"
    assert headlines.across_depth({"": full}, "activation") == (
        "The signal is saturated from layer 2 on"
    )


def test_names_may_hold_signs():
    two = {"net #1 {a}": rows("level")[""], "net #2": rows("gone")[""]}
    said = headlines.across_depth(two, "activation")
    assert said == "net #1 {a} keeps the signal; net #2 loses it"


def test_lines_are_compared_where_seeds_part_them():
    lines = {
        "a": {1: (0.9, 0.9, 0.9), 2: (0.9, 0.1, 0.9)},
        "b": {1: (0.5, 0.5, 0.5), 2: (0.2, 0.1, 0.9)},
    }
    said = headlines.against_setting("depth", "accuracy", lines, theory=None)
    assert said == "At depth 1, a reaches accuracy 0.9, b 0.5"


def test_a_gradient_travels_from_the_last_layer_to_the_first():
    back = rows("smaller", quantity="gradient")
    assert headlines.across_depth(back, "gradient") == "The gradient shrinks 5 times"


@pytest.mark.parametrize(
    ("y", "ends", "said"),
    [
        ("loss", {"a": (2.3, 0.5, 0.4, 0.7), "b": (2.3, 0.6, 0.5, 0.7)},
         "All end alike: loss 0.5 to 0.6"),
        ("loss", {"": (2.3, 0.5)}, "Loss falls from 2.3 to 0.5"),
        ("loss", {"": (2.3, 2.29)}, "Loss stays at 2.3"),
        ("loss", {"a": (2.3, 0.5), "b": (2.3, 2.3)}, "a ends lowest: loss 0.5, b 2.3"),
        ("accuracy", {"a": (0.1, 0.5), "b": (0.1, 0.9)}, "b ends highest: accuracy 0.9, a 0.5"),
        ("loss", {"a": (2.3, 0.5), "b": (2.3, 0.51)}, "All end alike: loss 0.5 to 0.51"),
        ("loss", {"a": (2.3, 0.5), "b": (2.3, float("inf"))},
         "a: loss falls from 2.3 to 0.5; b diverged"),
        ("loss", {"a": (2.3, NAN), "b": (2.3, NAN)}, "a and b diverged"),
    ],
)  # fmt: skip
def test_over_steps(y, ends, said):
    ends = {name: (*end, end[1], end[1])[:4] for name, end in ends.items()}
    assert headlines.over_steps(y, ends) == said


@pytest.mark.parametrize(
    ("lines", "theory", "said"),
    [
        ({"a": {1: 0.1, 2: 0.9, 3: 0.2}}, None, "Accuracy is highest, 0.9, at depth 2"),
        ({"a": {1: 0.9, 3: 0.2}}, None, "Accuracy falls from 0.9 to 0.2 from depth 1 to 3"),
        ({"a": {1: 0.9, 3: 0.9}, "b": {1: 0.9, 3: 0.2}}, None,
         "At depth 3, a reaches accuracy 0.9, b 0.2"),
        ({"a": {1: 0.9}, "b": {1: 0.9}}, None, "Accuracy: a and b are alike at every depth"),
        ({"a": {1: 0.9, 2: 0.1}, "b": {1: 0.9, 2: 0.15}}, None,
         "Accuracy: a and b are alike at every depth"),
        ({"a": {1: 0.9}, "b": {1: 0.9}}, 0.04,
         "Accuracy: theory (dashed) meets the dots within 5 %"),
        ({"a": {1: 0.9}, "b": {2: 0.5}}, 2.0, "Accuracy stays at 0.9 from depth 1 to 1 (a)"),
    ],
)  # fmt: skip
def test_against_setting(lines, theory, said):
    lines = {name: {p: (v, v, v) for p, v in line.items()} for name, line in lines.items()}
    found = headlines.against_setting("depth", "accuracy", lines, theory=theory)
    assert found == said


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (headlines.spreads({"a": 0.1, "b": 0.1}), "a and b have the same std, 0.1"),
        (headlines.spreads({"": 0.1}), "Entries have std 0.1"),
        (headlines.equal_rows({"": (3, 9)}), "The matrix has 3 different units among 9"),
        (headlines.equal_rows({"a": (2, 2), "b": (3, 3)}), "a and b: each has no two equal units"),
        (headlines.outside([], [1, 2], limited=True), "All 2 are healthy"),
        (headlines.outside(["a"], [1, 2], limited=True), "1 of 2 is out of the healthy range"),
        (headlines.outside([], [1, 2], limited=False), "From 1 to 2"),
        (headlines.counts_over_steps("rank", {"a": (1, 1), "b": (1, 1)}),
         "Rank stays 1 in every layer"),
        (headlines.updates({"a": 1e-3, "b": 5e-3}, 1e-3), "b changes 5 times as fast as a"),
        (headlines.updates({"a": 1e-2, "b": 1.1e-2}, 1e-3),
         "All layers change alike, 10 times faster than the rule of thumb"),
    ],
)  # fmt: skip
def test_other_headlines(said, expected):
    assert said == expected


@pytest.mark.parametrize(
    ("names", "said"),
    [(["a"], "a"), (["a", "b", "c"], "a, b and c"), (["a", "b", "c", "d"], "a, b and 2 others")],
)
def test_names_are_listed_as_a_sentence_does(names, said):
    assert headlines.listed(names) == said
