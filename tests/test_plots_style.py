"""Colours are told apart by everybody, on paper and screen, and each name has one."""

import itertools

import numpy as np
import pytest
from matplotlib.colors import to_rgb

import initlab as il
from initlab.plots.style import (
    CLASSES,
    MEANINGS,
    OTHERS,
    SCHEMES,
    colour_of,
    look_of,
    looks,
    on_dark,
    palette,
    ramp,
)


def apart(one, other):
    """The smallest distance of two colours for all kinds of sight, and their distance in grey."""
    seen = [(lab(kind @ linear(one)), lab(kind @ linear(other))) for kind in SIGHT]
    return min(np.linalg.norm(a - b) for a, b in seen), abs(seen[0][0][0] - seen[0][1][0])


@pytest.mark.parametrize(
    "group",
    [
        ["zeros", "constant", "normal", "sparse", "xavier_normal", "kaiming_normal", "orthogonal",
         "torch_default"],
        ["normal", "uniform", "trunc_normal"],
        ["xavier_normal", "xavier_uniform", "torch_default"],
        ["kaiming_normal", "kaiming_uniform"],
        ["lecun_normal", "orthogonal"],
        ["eye", "dirac"],
        ["activation", "gradient", "weight", "weight_gradient"],
        ["with", "without"],
        ["positive", "negative"],
        ["first", "last"],
        ["healthy", "ill"],
        ["measured", "theory"],
        [look.colour for look in CLASSES],
        [look.colour for look in OTHERS],
    ],
    ids=lambda group: group[0],
)  # fmt: skip
@pytest.mark.parametrize("page", ["light", "dark"])
def test_names_of_one_figure_are_told_apart_by_the_colour_blind_and_in_grey(group, page):
    colours = [name if name[0] == "#" else colour_of(name) for name in group]
    if page == "dark":
        colours = [on_dark(colour) for colour in colours]
    pairs = [apart(*pair) for pair in itertools.combinations(colours, 2)]
    assert min(distance for distance, _ in pairs) > 13
    assert min(grey for _, grey in pairs) > (5 if page == "light" else 2.5)


@pytest.mark.parametrize("look", [*SCHEMES.values(), *MEANINGS.values(), *CLASSES, *OTHERS])
def test_colours_stand_out_from_the_page(look):
    for colour, page in ((look.colour, "#ffffff"), (on_dark(look.colour), "#111111")):
        dark, light = sorted(linear(one) @ [0.2126, 0.7152, 0.0722] for one in (colour, page))
        assert (light + 0.05) / (dark + 0.05) >= 2.99


def test_classes_are_no_schemes():
    pairs = itertools.product(CLASSES, SCHEMES.values())
    assert min(apart_now(one.colour, other.colour) for one, other in pairs) > 8


def apart_now(one, other):
    return np.linalg.norm(lab(linear(one)) - lab(linear(other)))


def test_every_scheme_has_its_own_look_and_any_name_has_one():
    assert set(SCHEMES) <= set(il.SCHEMES)
    assert len(set(SCHEMES.values())) == len({look.colour for look in SCHEMES.values()}) == 18
    assert look_of("kumar") == look_of("kumar") in OTHERS
    assert looks(["kumar", "normal"])["kumar"] == look_of("kumar")
    assert palette()["dark"]["class 0"] == on_dark(CLASSES[0].colour)


def test_a_name_that_starts_with_a_scheme_looks_like_it():
    names = ["kaiming_normal, bias 0", "kaiming_normal(a=0.2)", "normal weights", "kaiming_normal"]
    given = looks(names)
    own = SCHEMES["kaiming_normal"]
    assert given["kaiming_normal"] == own  # the scheme itself comes first, wherever it stands
    assert given["kaiming_normal, bias 0"] == own._replace(filled=False)
    assert given["kaiming_normal(a=0.2)"] in OTHERS
    assert given["normal weights"] in OTHERS
    assert list(given) == names


def test_with_and_without_are_known():
    for one, other in [("with BatchNorm", "without"), ("with", "no norm")]:
        assert looks([other, one]) == {other: MEANINGS["without"], one: MEANINGS["with"]}


@pytest.mark.parametrize(
    ("names", "order"),
    [(["std 1.0", "std 0.01", "std 0.1"], [2, 0, 1]), (["80 % zeros", "9 % zeros"], [1, 0])],
)
def test_what_differs_by_a_number_becomes_darker_with_it(names, order):
    assert [look.colour for look in looks(names).values()] == [ramp(len(names))[k] for k in order]
    assert [lab(linear(one))[0] for one in ramp(7)] == sorted(
        (lab(linear(one))[0] for one in ramp(7)), reverse=True
    )


def test_many_names_look_different():
    schemes = ["xavier_normal", "kaiming_normal", "torch_default"]
    names = [f"{scheme}, depth {depth}" for scheme in schemes for depth in (2, 5, 10, 20, 30)]
    assert len(set(looks(names).values())) == len(names)


def linear(colour):
    rgb = np.array(to_rgb(colour))
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def lab(rgb):
    to_xyz = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    xyz = np.array(to_xyz) @ np.clip(rgb, 0, 1) / [0.9505, 1, 1.089]
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


# Machado, Oliveira, Fernandes (2009): how full protanopia and deuteranopia see linear RGB
PROTAN = np.array([[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
                   [-0.003882, -0.048116, 1.051998]])  # fmt: skip
DEUTAN = np.array([[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
                   [-0.011820, 0.042940, 0.968881]])  # fmt: skip
SIGHT = (np.eye(3), PROTAN, DEUTAN)
