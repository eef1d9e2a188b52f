"""What does a figure show, in one line? Headlines, computed from the numbers that are drawn.

A factor below 2 counts as no change, one above 100 as a signal that is lost or explodes: so a
headline is true whatever its second digit is, and the text alternative has the numbers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from initlab.format import number, percent
from initlab.plots.records import Row

SAME, MUCH = 2.0, 100.0
HALF = 0.5  # of the activations: more of them are saturated, and the layer is
ALIKE = 0.05  # of the larger: values this close are said to be alike
LETTERS = 150
MOST = 3  # parts of a headline
ISOMETRY = "stretches all directions alike"
COURSES = {  # of one network among others, of several, of a single one; {}: what, #: how much
    "keeps": ("keeps {}", "keep {}", "keeps its size"),
    "saturates": ("saturates", "saturate", "is saturated from # on"),
    "shrinks": ("shrinks {} #", "shrink {}", "shrinks #"),
    "loses": ("loses {}", "lose {}", "is lost: it shrinks #"),
    "amplifies": ("amplifies {} #", "amplify {}", "grows #"),
    "explodes": ("makes {} explode", "make {} explode", "explodes: it grows #"),
    "varies": ("varies {} #", "vary {}", "varies #"),
    "zero": ("gives exactly 0", "give exactly 0", "is exactly 0 from # on"),
    "broken": ("ends in nan or inf", "end in nan or inf", "is nan or inf from # on"),
}


def across_depth(rows: Mapping[str, Sequence[Row]], quantity: str) -> str:
    """Say which networks keep the size of a quantity across depth, and what others do to it."""
    courses = {name: _course(one, quantity) for name, one in rows.items()}
    subject = "the signal" if quantity == "activation" else f"the {quantity.replace('_', ' ')}"
    if "" in courses:
        course, much = courses[""]
        return capital(f"{subject} {COURSES[course][2]}".replace("#", much))
    groups: dict[str, list[str]] = {course: [] for course in COURSES}
    for name, (course, _) in courses.items():
        groups[course].append(name)
    if sum(map(bool, groups.values())) > MOST:
        keepers = groups["keeps"]
        if not keepers:
            return f"None of {len(rows)} keeps {subject}"
        keep = "keeps" if len(keepers) == 1 else "keep"
        others = len(rows) - len(keepers)
        return f"{listed(keepers)} {keep} {subject}, the other {others} do not"
    said: list[str] = []
    for course, members in groups.items():
        if members:
            words = COURSES[course][len(members) > 1].format("it" if said else subject)
            said.append(f"{listed(members)} {words.replace('#', courses[members[0]][1])}")
    return "; ".join(said)


def _course(rows: Sequence[Row], quantity: str) -> tuple[str, str]:
    """Return what happens on the way that the signal takes, and how much of it."""
    way = list(rows)[::-1] if quantity == "gradient" else list(rows)
    for course, is_so in (("broken", Row.is_broken), ("zero", Row.is_zero)):
        if is_so(way[-1]) or is_so(way[0]):
            return course, f"layer {next(row for row in way if is_so(row)).position}"
    if way[-1].saturated > HALF:
        return "saturates", f"layer {next(row for row in way if row.saturated > HALF).position}"
    sizes = [row.rms for row in way if not row.is_broken() and not row.is_zero()]
    factor = sizes[-1] / sizes[0]
    if 1 / SAME < factor < SAME:
        varied = max(sizes) / min(sizes)
        if varied < 1.5 * SAME:
            return "keeps", ""
        return "varies", f"up to {number(varied)} times"
    if factor > 1:
        return ("explodes" if factor > MUCH else "amplifies"), f"{number(factor)} times"
    return ("loses" if factor < 1 / MUCH else "shrinks"), f"{number(1 / factor)} times"


def over_steps(y: str, ends: Mapping[str, tuple[float, float, float, float]]) -> str:
    """Say who learns and who does not.

    Args:
        y: Name of the result.
        ends: Name of a kind of run → its first median, and median, lowest and highest at the end.
    """
    kept = {name: end for name, end in ends.items() if math.isfinite(end[1])}
    lost = [name for name in ends if name not in kept]
    if "" in ends:
        return capital(f"{y} {_change(*ends[''][:2])}" if kept else f"{y} is no number at the end")
    order = sorted(kept, key=lambda name: kept[name][1], reverse=y != "loss")
    said = []
    if len(order) == 1:
        said = [f"{order[0]}: {y} {_change(*kept[order[0]][:2])}"]
    elif order:
        best, worst = kept[order[0]][1:], kept[order[-1]][1:]
        side = "lowest" if y == "loss" else "highest"
        said = [f"{order[0]} ends {side}: {y} {number(best[0])}, {order[-1]} {number(worst[0])}"]
        if alike(best[0], worst[0]) or _overlap(best, worst):
            said = [f"All end alike: {y} {_between(best[0], worst[0])}"]
    if lost:
        said.append(f"{listed(lost)} diverged")
    return "; ".join(said)


def against_setting(
    x: str,
    y: str,
    lines: Mapping[str, Mapping[float, tuple[float, float, float]]],
    *,
    theory: float | None,
) -> str:
    """Say where lines differ most, or what the only one does, or that theory meets them.

    Args:
        x: Name of the setting.
        y: Name of the result.
        lines: Name of a line → place → median, lowest and highest.
        theory: The largest relative distance from theory; None where there is none.
    """
    if theory is not None and theory < 0.3:
        within = next(step for step in (0.01, 0.02, 0.05, 0.1, 0.2, 0.3) if theory <= step)
        return capital(f"{y}: theory (dashed) meets the dots within {percent(within)}")
    shared = set.intersection(*(set(line) for line in lines.values()))
    if len(lines) == 1 or not shared:
        name, line = next(iter(lines.items()))
        said = _one_line(x, y, {place: ends[0] for place, ends in line.items()})
        return capital(said + (f" ({name})" if len(lines) > 1 else ""))
    everywhere = _spread([ends[0] for line in lines.values() for ends in line.values()])
    parted: list[tuple[float, float, str, str]] = []  # spread, place, and who is high and low there
    for place in shared:
        low, *_, high = sorted(lines, key=lambda name: lines[name][place][0])
        ends = lines[high][place], lines[low][place]
        spread = _spread([line[place][0] for line in lines.values()])
        little = alike(ends[0][0], ends[1][0]) or spread < 2 * ALIKE * everywhere < math.inf
        if not little and not _overlap(*ends):
            parted.append((spread, place, high, low))
    if not parted:
        return capital(f"{y}: {listed(list(lines))} are alike at every {x}")
    _, place, *names = max(parted)
    values = [lines[name][place][0] for name in names]
    top, bottom = (number(value) if math.isfinite(value) else "no number" for value in values)
    return f"At {x} {setting(place)}, {names[0]} reaches {y} {top}, {names[1]} {bottom}"


def _overlap(one: Sequence[float], other: Sequence[float]) -> bool:
    """Tell whether two (median, lowest, highest) over seeds share values, so that luck decides."""
    return max(one[1], other[1]) < min(one[2], other[2])


def _one_line(x: str, y: str, line: Mapping[float, float]) -> str:
    places = sorted(line)
    first, last = line[places[0]], line[places[-1]]
    top = max(places, key=lambda place: line[place])
    if top not in (places[0], places[-1]) and not alike(line[top], max(first, last)):
        return f"{y} is highest, {number(line[top])}, at {x} {setting(top)}"
    return f"{y} {_change(first, last)} from {x} {setting(places[0])} to {setting(places[-1])}"


def setting(value: float) -> str:
    """Write a setting in full if it is short (1024, 0.05), else with two digits."""
    return f"{value:g}" if len(f"{value:g}") <= 6 else number(value)


def _spread(values: Sequence[float]) -> float:
    return max(values) - min(values) if all(map(math.isfinite, values)) else math.inf


def directions(curves: Mapping[str, Sequence[float]]) -> str:
    """Say which matrices stretch every direction alike, and how far apart the others' are."""
    said = {name: _stretching(one) for name, one in curves.items()}
    return _joined({name: said[name] for name in sorted(said, key=lambda n: said[n] != ISOMETRY)})


def _stretching(curve: Sequence[float]) -> str:
    if curve[0] > 0 and curve[-1] > 0.95 * curve[0]:
        return ISOMETRY
    if lost := sum(value <= 1e-6 * curve[0] for value in curve):
        return f"loses {lost} of {len(curve)} directions"
    return f"stretches unevenly, {number(curve[0] / curve[-1])} : 1"


def equal_rows(counts: Mapping[str, tuple[int, int]]) -> str:
    """Say in which matrices (distinct rows, rows) units are equal."""
    said = {}
    for name, (distinct, rows) in counts.items():
        said[name] = f"has {distinct} different units among {rows}"
        if distinct == rows:
            said[name] = "has no two equal units"
        elif distinct == 1:
            said[name] = "has equal units only"
    return _joined(said)


def _joined(said: Mapping[str, str]) -> str:
    """Join what is said of each name, as long as a headline has room for it."""
    groups: dict[str, list[str]] = {}
    for name, words in said.items():
        groups.setdefault(words, []).append(name)
    whole = ""
    for words, names in groups.items():
        who = f"{listed(names)}: each" if len(names) > 1 else names[0] or "The matrix"
        part = f"{who} {words}"
        if len(whole) + len(part) < LETTERS:
            whole += ("; " if whole else "") + part
    return whole


def spreads(stds: Mapping[str, float]) -> str:
    """Say whether the entries of matrices have the same standard deviation."""
    low, high = min(stds, key=lambda name: stds[name]), max(stds, key=lambda name: stds[name])
    if len(stds) == 1:
        return capital(f"{low} entries have std {number(stds[low])}".strip())
    if alike(stds[low], stds[high]):
        return f"{listed(list(stds))} have the same std, {_between(*stds.values())}"
    return capital(f"std from {number(stds[low])} ({low}) to {number(stds[high])} ({high})")


def outside(names: Sequence[str], values: Sequence[float], *, limited: bool) -> str:
    """Say how many of the values lie outside of the healthy band, or how far they reach."""
    if not limited and not names:
        return f"From {number(values[0])} to {number(values[-1])}"
    where = "out of the healthy range" if limited else "marked"
    if not names or len(names) == len(values):
        return f"All {len(values)} are {where if names else 'healthy'}"
    return f"{len(names)} of {len(values)} {'is' if len(names) == 1 else 'are'} {where}"


def counts_over_steps(what: str, changes: Mapping[str, tuple[float, float]]) -> str:
    """Say which counts grow in training and which stay."""
    grown = [name for name, (first, last) in changes.items() if last > first]
    if len(set(changes.values())) == 1:
        first, last = next(iter(changes.values()))
        course = f"stays {last:.0f}" if first == last else f"goes from {first:.0f} to {last:.0f}"
        return capital(f"{what} {course} in every layer")
    if not grown:
        return capital(f"{what} does not grow")
    where = "every layer" if len(grown) == len(changes) else f"{listed(grown)} only"
    return capital(f"{what} grows in {where}")


def updates(ratios: Mapping[str, float], rule: float) -> str:
    """Say which layer's weights change most, and whether all keep near the rule of thumb."""
    low, high = min(ratios, key=lambda n: ratios[n]), max(ratios, key=lambda n: ratios[n])
    factor = ratios[high] / ratios[low] if ratios[low] > 0 else math.inf
    if factor >= SAME:
        return f"{high} changes {number(factor)} times as fast as {low}"
    side = "faster" if ratios[low] > rule else "slower"
    off = max(ratios[low] / rule, rule / ratios[high] if ratios[high] > 0 else math.inf)
    near = f"{number(off)} times {side} than" if off >= SAME else "near"
    return f"All layers change alike, {near} the rule of thumb"


def alike(one: float, other: float) -> bool:
    """Tell whether two values are so close that a headline calls them alike."""
    return math.isclose(one, other, rel_tol=ALIKE)


def _change(first: float, last: float) -> str:
    if alike(first, last):
        return f"stays at {number(last)}"
    return f"{'rises' if last > first else 'falls'} from {number(first)} to {number(last)}"


def _between(*values: float) -> str:
    low, high = number(min(values)), number(max(values))
    return low if low == high else f"{low} to {high}"


def listed(names: Sequence[str], most: int = 3) -> str:
    """Write names as a sentence does: "a", "a and b", "a, b and 4 others"."""
    names = list(names)
    if len(names) > most:
        names = [*names[: most - 1], f"{len(names) - most + 1} others"]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def about(name: str, words: str) -> str:
    """Say what the words are about; what stands alone has no name."""
    return f"{name}: {words}" if name else words


def capital(text: str) -> str:
    """Begin with a capital, unless the first word is a symbol ("q", "m₄") or a name in code."""
    first = text.split(" ", 1)[0].rstrip(":")
    return (
        text[:1].upper() + text[1:] if first.isascii() and first.isalpha() and first[1:] else text
    )
