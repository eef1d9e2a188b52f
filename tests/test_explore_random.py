"""Does every explorer stand changes in any order, and still show what a new one shows?"""

from __future__ import annotations

import random

import pytest

import initlab as il
from front_end import Browser
from initlab.explore.controls import Choice, Slider

KINDS = [getattr(il.explore, name) for name in il.explore.__all__ if name.islower()]
CHANGES = 10  # `benchmarks/explorer_endurance.py` makes a thousand, in a browser


def request_for(kind, dice):
    """What a hand may do next: move a control, choose a preset or press a button."""
    others = [("preset", name) for name in kind.presets] + [
        ("press", name) for name in kind.buttons
    ]
    if others and dice.random() < 0.1:
        return dict([dice.choice(others)])
    name, control = dice.choice(list(kind.controls().items()))
    if isinstance(control, Slider):
        share = dice.random()
        value = control.low + share * (control.high - control.low)
        if control.log:
            value = control.low * (control.high / control.low) ** share
        return {"set": {name: round(value) if control.whole else value}}
    options = list(control.options) if isinstance(control, Choice) else [True, False]
    return {"set": {name: dice.choice(options)}}


def shown(sent):
    """All that a reader sees, as a text: a `nan` is like any other."""
    return [repr(sent[key]) for key in ("values", "sentence", "error", "panels")]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_random_changes_leave_what_a_new_explorer_shows(kind):
    browser, dice = Browser(kind()), random.Random(0)
    for _ in range(CHANGES):
        request = request_for(kind, dice)
        sent = browser.ask(**request)
        assert (sent["error"], request) == ("", request)
        assert 0 < len(sent["headline"].split()) <= 12, sent["headline"]
        assert all(
            len(row["cells"]) == len(sent["table"]["columns"]) for row in sent["table"]["rows"]
        )
    while sent["unfinished"]:
        sent = browser.ask(go_on=True)
    fresh = Browser(kind(**browser.explorer.values)).ask(ready=True)
    assert shown(sent) == shown(fresh)
