"""Notebook 14: right and wrong answers."""

from __future__ import annotations

import copy

import numpy as np

from initlab.apply import initialize
from initlab.diagnosis import diagnose
from initlab.lessons.clinic import ILLNESS_OF

NAMES = dict(ILLNESS_OF)


def renamed(illness, name):
    """All names right, but for those who have `illness`."""
    return {who: name if has == illness else has for who, has in NAMES.items()}


def treat(model, x, y, rounds=3, ask=lambda found: found[0].mendable, on=lambda model: model):
    treated = []
    for _ in range(rounds):
        found = diagnose(model, x, y)
        if not ask(found):
            break
        found[0].mend(on(model))
        treated.append(found.illness)
    return treated


def recursive(model, x, y, rounds=3):
    first = diagnose(model, x, y)[0]
    if not (rounds and first.mendable):
        return ()
    first.mend(model)
    return (first.illness, *recursive(model, x, y, rounds - 1))


def always_kaiming(model, x, y):
    treated = treat(model, x, y)
    initialize(model, "kaiming_normal", nonlinearity="relu")
    return treated


def all_findings(model, x, y):
    treated = []
    for _ in range(3):
        for finding in diagnose(model, x, y):
            if finding.mendable:
                finding.mend(model)
                treated.append(finding.illness)
    return treated


def with_health(model, x, y):
    return [*treat(model, x, y), diagnose(model, x, y).illness]


def with_unmendable(model, x, y):
    treated, last = treat(model, x, y), diagnose(model, x, y)
    return treated if last.healthy else [*treated, last.illness]


RIGHT = {
    "name_the_illness": [NAMES, {who: f" {has.title()} " for who, has in NAMES.items()}],
    "leverage": [
        lambda w, g, guess: w.norm() * g.norm() / guess,
        lambda w, g, guess: np.sqrt((w.numpy() ** 2).sum() * (g.numpy() ** 2).sum()) / guess,
        lambda w, g, guess: (w.square().sum().sqrt() * g.square().sum().sqrt()).item() / guess,
    ],
    "treat": [treat, recursive],
}

WRONG = {
    "name_the_illness": [
        ("zero head called ill", renamed("healthy", "no gradient")),
        ("ill one called healthy", renamed("vanishing", "healthy")),
        ("vanishing for collapsed", renamed("collapsed", "vanishing")),
        ("collapsed for vanishing", renamed("vanishing", "collapsed")),
        ("exploding for saturated", renamed("saturated", "exploding")),
        ("wrong loss for exploding", renamed("exploding", "wrong loss")),
        ("exploding for wrong loss", renamed("wrong loss", "exploding")),
        ("symptom of dead units", renamed("dead", "vanishing")),
        ("vanishing for symmetric", renamed("symmetric", "vanishing")),
        ("vanishing for no gradient", renamed("no gradient", "vanishing")),
        ("exploding for non-finite", renamed("non-finite", "exploding")),
        ("wrong loss for collapsed", NAMES | {"patient 11": "wrong loss"}),
        (None, renamed("vanishing", "dead")),
        ("unknown name", renamed("dead", "fine")),
        ("not a dict", "vanishing"),
    ],
    "leverage": [
        ("not in guesses", lambda w, g, guess: w.norm() * g.norm()),
        ("times the guess", lambda w, g, guess: w.norm() * g.norm() * guess),
        ("gradient only", lambda w, g, guess: g.norm() / guess),
        ("ratio for product", lambda w, g, guess: g.norm() / w.norm() / guess),
        ("along the weight", lambda w, g, guess: (w * g).sum() / guess),
        ("absolute products", lambda w, g, guess: (w * g).abs().sum() / guess),
        ("rms for norm", lambda w, g, guess: (w**2).mean() ** 0.5 * (g**2).mean() ** 0.5 / guess),
        ("squared norms", lambda w, g, guess: (w**2).sum() * (g**2).sum() / guess),
        ("not a number", lambda w, g, guess: w * g),
        (None, lambda w, g, guess: 1.0),
    ],
    "treat": [
        ("healthy one treated", always_kaiming),
        ("healthy counted", with_health),
        ("all findings mended", all_findings),
        ("unmendable counted", with_unmendable),
        ("not in place", lambda m, x, y: treat(m, x, y, on=copy.deepcopy)),
        ("one round", lambda m, x, y: treat(m, x, y, rounds=1)),
        ("names missing", lambda m, x, y: treat(m, x, y)[-1:]),
        ("raised", lambda m, x, y: treat(m, x, y, ask=lambda found: True)),
        ("not a list", lambda m, x, y: len(treat(m, x, y))),
        (None, lambda m, x, y: []),
    ],
}
