"""Notebook 14: right and wrong answers."""

from __future__ import annotations

import numpy as np

from initlab.lessons.clinic import ILLNESS_OF

NAMES = dict(ILLNESS_OF)


def renamed(illness, name):
    """All names right, but for those who have `illness`."""
    return {who: name if has == illness else has for who, has in NAMES.items()}


def plain(w, g, ratio):
    """The rate without momentum."""
    return ratio * w.norm() / g.norm()


def by_steps(w, g, ratio, m):
    """Let the momentum build up."""
    v = 0 * g
    for _ in range(500):
        v = m * v + g
    return (ratio * w.norm() / v.norm()).item()


def by_rms(w, g, ratio, m):
    w, g = w.numpy(), g.numpy()
    return ratio * (1 - m) * np.sqrt(np.mean(w**2) / np.mean(g**2))


RIGHT = {
    "name_the_illness": [NAMES, {who: f" {has.title()} " for who, has in NAMES.items()}],
    "rate_for_ratio": [
        lambda w, g, ratio, m: ratio * (1 - m) * w.norm() / g.norm(),
        by_steps,
        by_rms,
    ],
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
    "rate_for_ratio": [
        ("momentum forgotten", lambda w, g, ratio, m: plain(w, g, ratio)),
        ("momentum the other way", lambda w, g, ratio, m: plain(w, g, ratio) / (1 - m)),
        ("momentum for what is left", lambda w, g, ratio, m: plain(w, g, ratio) * m),
        ("upside down", lambda w, g, ratio, m: plain(g, w, ratio) * (1 - m)),
        ("product for ratio", lambda w, g, ratio, m: ratio * (1 - m) * w.norm() * g.norm()),
        ("size of the weight ignored", lambda w, g, ratio, m: ratio * (1 - m) / g.norm()),
        ("squared norms", lambda w, g, ratio, m: ratio * (1 - m) * (w**2).sum() / (g**2).sum()),
        ("not a number", lambda w, g, ratio, m: ratio * (1 - m) * w / g),
        (None, lambda w, g, ratio, m: 0.01),
    ],
}
