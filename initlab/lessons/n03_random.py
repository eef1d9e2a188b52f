"""Notebook 03: the bound of a distribution with a gap; the std for inputs of two sizes."""

from __future__ import annotations

from initlab.exercises.answers import as_number
from initlab.exercises.exercise import Exercise
from initlab.exercises.values import Values, farthest, gives, gives_instead, values_of

_STDS = [0.02, 0.5, 3.0]
"""Of both sides of 1, so that a square, a root and the number itself differ."""

_INPUTS = [(60, 40, 3.0), (200, 8, 10.0), (30, 300, 0.2)]
"""(n, m, r): more inputs of one kind or of the other, r on both sides of 1."""


def _gap_bound(std: float) -> float:
    return float((12 / 7) ** 0.5 * std)


def _gap_std(values: Values) -> str:
    given = float(values.given[1])
    return (
        f"For a standard deviation of {_STDS[1]} you give the bound {given:.3g}. Weights with that "
        f"bound have the standard deviation {given / _gap_bound(1.0):.3g}."
    )


def _mixed_std(case: tuple[int, int, float]) -> float:
    n, m, r = case
    return float((n + m * r**2) ** -0.5)


def _mixed_rms(values: Values) -> str:
    place = farthest(values, _mixed_std)
    n, m, r = values.cases[place]
    rms = abs(float(values.given[place])) / _mixed_std((n, m, r))
    return (
        f"With {n} inputs of rms 1 and {m} of rms {r:g}, z has an rms of {rms:.3g} with your std. "
        "How large is the sum of all squared inputs?"
    )


EXERCISES = [
    Exercise(
        name="gap_bound",
        notebook="03",
        task="No weight shall be near 0: half of the weights are uniform between −b and −b/2, half "
        "between b/2 and b. Write the function that gives the bound b with which their standard "
        "deviation is `std`.",
        stub="def gap_bound(std): ...\n",
        hints=(
            "The mean is 0, by symmetry. So the variance is the mean of w², and w² does not see "
            "the sign.",
            "So take the mean of w² between b/2 and b only: the integral of w² over this interval, "
            "divided by its length b/2.",
            "That is 7b²/12. Set it equal to the variance that is asked for, and solve for b.",
        ),
        solution="""
def gap_bound(std):
    return (12 / 7) ** 0.5 * std
""",
        measure=values_of(_STDS, _gap_bound, number_from=as_number),
        right=gives(_gap_bound),
        mistakes=(
            gives_instead(
                "gap ignored",
                lambda std: 3**0.5 * std,
                "This is the bound of a uniform distribution without the gap. These weights are "
                "farther from 0 on average: does the same std need a larger bound or a smaller "
                "one?",
            ),
            gives_instead(
                "mean size for std",
                lambda std: 4 / 3 * std,
                "With your bound, the mean *size* of a weight is `std`. Is the root of the mean "
                "square the same as the mean size?",
            ),
            gives_instead(
                "length of the interval",
                lambda std: (24 / 7) ** 0.5 * std,
                "Your variance is twice what is asked for. How long is the interval over which "
                "you take the mean?",
            ),
            gives_instead(
                "no root",
                lambda std: 12 / 7 * std,
                "Your bound is proportional to 12/7. Is there a root missing?",
            ),
            gives_instead(
                "std for variance",
                lambda std: (12 / 7 * std) ** 0.5,
                "You treated `std` as a variance. Which of the two was given?",
            ),
            gives_instead(
                "variance for bound",
                lambda std: 12 / 7 * std**2,
                "Your number is the *square* of the bound. What is left to do?",
            ),
            gives_instead(
                "divided",
                lambda std: (7 / 12) ** 0.5 * std,
                "Your number is the std of weights whose bound is `std`. Which of the two is "
                "given, and which is asked for?",
            ),
            gives_instead(
                "std for bound",
                lambda std: std,
                "You took the std as the bound. All weights are closer to 0 than the bound: can "
                "their typical distance from 0 be the bound itself?",
            ),
        ),
        otherwise=_gap_std,
        praise="weights between half your bound and your bound, of both signs, have the right std.",
    ),
    Exercise(
        name="mixed_inputs_std",
        notebook="03",
        task="A unit without activation function has `n` inputs of rms 1, and `m` inputs that "
        "somebody forgot to scale, of rms `r`. All weights are drawn from one distribution with "
        "mean 0. Write the function that gives the std with which the pre-activation z has rms 1.",
        stub="def mixed_inputs_std(n, m, r): ...\n",
        hints=(
            "E[z²] is Var(w) times the sum of all squared inputs. How large is this sum?",
            "An input of rms r has a mean square of r². So the sum is n + m·r².",
            "Var(w) · (n + m·r²) = 1. The std is the root of the variance.",
        ),
        solution="""
def mixed_inputs_std(n, m, r):
    return (n + m * r**2) ** -0.5
""",
        measure=values_of(_INPUTS, _mixed_std, number_from=as_number, unpack=True),
        right=gives(_mixed_std),
        mistakes=(
            gives_instead(
                "sizes ignored",
                lambda case: (case[0] + case[1]) ** -0.5,
                "You use 1/√(number of inputs). That keeps the rms of the inputs. What is the rms "
                "of these?",
            ),
            gives_instead(
                "rms for mean square",
                lambda case: (case[0] + case[1] * case[2]) ** -0.5,
                "You count each large input r times. What is added up in E[z²]: the inputs, or "
                "their squares?",
            ),
            gives_instead(
                "variance for std",
                lambda case: 1 / (case[0] + case[1] * case[2] ** 2),
                "Your number is the variance that a weight must have. Which of the two is asked "
                "for?",
            ),
            gives_instead(
                "one kind only",
                lambda case: case[0] ** -0.5,
                "You look at the first n inputs only. Do the others add nothing?",
            ),
            gives_instead(
                "one kind only",
                lambda case: (case[1] * case[2] ** 2) ** -0.5,
                "You look at the last m inputs only. Do the others add nothing?",
            ),
            gives_instead(
                "mean rms",
                lambda case: (case[0] + case[1]) ** 0.5 / (case[0] + case[1] * case[2]),
                "You took the mean of the two rms. Which mean is the rms of all inputs together?",
            ),
            gives_instead(
                "bound for std",
                lambda case: (3 / (case[0] + case[1] * case[2] ** 2)) ** 0.5,
                "Your variance is three times too large. Is this the bound of a uniform "
                "distribution?",
            ),
            gives_instead(
                "upside down",
                lambda case: (case[0] + case[1] * case[2] ** 2) ** 0.5,
                "Your number is the factor by which weights of std 1 make z larger than 1. What "
                "makes up for it?",
            ),
        ),
        otherwise=_mixed_rms,
        praise="z has rms 1 with few and with many inputs of the other size, larger and smaller.",
    ),
]
