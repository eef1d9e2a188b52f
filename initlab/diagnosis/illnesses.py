"""Which facts mean illness? One rule for each; each limit with where it comes from.

A limit is either a theorem about a start, or lies between what trained and what did not on the
measured set (`tests/sick_networks.py`, variant A: seed 0, width 64). The other variants of that
set were not looked at for it. `python tests/benchmarks/diagnosis.py` prints what comes of them.

The main measure is the *leverage* of a weight, ‖w‖·‖∂L/∂w‖: by how much the loss changes, to
first order, if all its entries change by 100 %. It has the unit of the loss, does not depend on the
weight's scale (BatchNorm cannot hide behind it), and is near 1 in a network that trains. It is
counted in guesses: the loss of the best constant guess (ln C, or the variance of the targets).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from torch import nn

from initlab.diagnosis import cures
from initlab.diagnosis.examining import Facts, Parameter
from initlab.diagnosis.findings import Finding, Measured

WEAK = 0.002
"""Least leverage, in guesses, of the best among the first third of the weights. On set A the
weakest that trained had 0.0043 (4 default convolutions; not in the set, since others of that depth
do not train), and the strongest of those whose gradient vanished 0.0005: 0.002 lies between."""

FAINT = 0.017
"""Least leverage, in guesses, of the best of all weights, in a network without normalisation and
without a layer that starts at 0: where the signal vanishes, all weights lose their say together.
Set A: 0.026 trained (the same 4 convolutions), 0.012 did not."""

STRONG = 80.0
"""Largest leverage, in guesses. On set A the strongest that trained had 36 (20 layers of
BatchNorm), the weakest that diverged 200 (8 plain residual blocks); 80 is their geometric mean.
With lr 0.01 a usual weight (‖w‖² = 128) then moves by 1.5 % in its first step, against the 0.1 %
that is a rule of thumb."""

GROWTH = 10.0
"""A leverage that is too large comes from depth if signal or gradient grows by this factor or more
from layer to layer; else from the last layer, and then the loss says so."""

ALIKE = 1e-3
"""Least 1 - mean cosine between different inputs in front of the output layer. Features with a
common part of share 1 - s have a condition number of about 1/s, and gradient descent needs about
that many steps: 1e-3 means a thousand. Set A: 0.006 trained, 0.0007 did not."""

DEAD = 0.9
"""Largest share of dead units in a layer. With symmetric weights and biases of 0 a unit is off for
a given input with probability 1/2, so more than half is not explained by a usual start; deep
default networks that only collapse reach 0.7 on set A."""

SATURATED = 0.5
"""Largest mean share of a layer's units at the ends of their range: for most units and inputs the
gradient is then multiplied by less than 1 - 0.97² = 0.06. Set A: 0.21 trained, 0.56 did not."""

EQUAL = 0.05
"""Least relative difference between the rows of a weight, ‖W - W̄‖/‖W‖; it is about 1 for random
numbers, and 0 for units that are all equal."""

PULL = 0.01
"""Units that are equal are ill only if the gradient is equal too: at least this much of a guess
must pull them apart (rows of the output layer do differ in it, so that zeros are fine there)."""

WRONG = 5.0
"""Largest loss at the start, in guesses: between 2.6, which trained, and 17, which did not."""

Rule = Callable[[nn.Module, Any, Any, Facts], Finding | None]


def judge(model: nn.Module, x: Any, target: Any, facts: Facts) -> list[Finding]:
    """Ask all rules; causes stand before what follows from them."""
    found: list[Finding] = []
    for rule in RULES:
        finding = rule(model, x, target, facts)
        if finding is not None:
            found.append(finding)
        if finding is not None and finding.illness in ("non-finite", "no gradient"):
            break  # what is left cannot be measured
    return found or [_healthy(facts)]


def _non_finite(model: nn.Module, x: Any, target: Any, facts: Facts) -> Finding | None:
    broken = {p.name: p.nonfinite for p in facts.parameters if p.nonfinite}
    emits = {
        layer.name: layer.activation.nonfinite
        for layer in facts.trace.layers
        if layer.activation is not None
    }
    gets = {
        layer.name: layer.gradient.nonfinite
        for layer in facts.trace.layers
        if layer.gradient is not None
    }
    bad_loss = not math.isfinite(facts.loss)
    if not broken and not bad_loss and facts.input_finite and not any(gets.values()):
        return None
    where = [name for name, share in emits.items() if share]
    if broken:
        names, seen = tuple(broken), f"{_percent(max(broken.values()))} of a weight"
        summary = f"{seen} is nan or inf, and the loss is {facts.loss:.3g}."
        cure = cures.restart(model, x, facts)
    elif not facts.input_finite:
        names, summary = ("x",), f"the batch itself holds nan or inf; the loss is {facts.loss:.3g}."
        cure = cures.advise("mend the data: x = torch.nan_to_num(x), or leave those samples out")
    else:
        names = tuple(where or [name for name, share in gets.items() if share])
        first = names[0] if names else "the loss"
        summary = f"{first} is the first to emit nan or inf; the loss is {facts.loss:.3g}."
        cure = cures.restart(model, x, facts)
    return Finding(
        illness="non-finite",
        summary=summary,
        evidence={
            "loss": facts.loss,
            "layers": float(len(where)),
            "parameters": float(len(broken)),
        },
        layers=names,
        why="One nan in the loss makes every gradient nan, and after one step every weight.",
        cure=cure,
        measured=(
            Measured(
                quantity="share of nan or inf\nin what a layer emits",
                values=emits,
                high=0.0,
                log=False,
            ),
        ),
    )


def _no_gradient(model: nn.Module, x: Any, target: Any, facts: Facts) -> Finding | None:
    called = [p for p in facts.parameters if p.called]
    trainable = [p for p in called if p.trainable]
    cut = [p for p in trainable if p.gradient is None]
    if trainable and not cut:
        return None
    if not trainable:
        cure = cures.unfreeze()
        what = f"all {len(called)} parameters are frozen (requires_grad=False)"
        names = tuple(p.name for p in called)
    else:
        cure = cures.advise(
            "let the gradient through: remove .detach(), .data, torch.no_grad() or .item() "
            f"after {cut[-1].layer or 'the model'}, or pass a loss= that uses every output"
        )
        what = f"no gradient comes back to {len(cut)} of {len(trainable)} trainable parameters"
        names = tuple(p.name for p in cut)
    return Finding(
        illness="no gradient",
        summary=f"{what}.",
        evidence={"trainable": float(len(trainable)), "without gradient": float(len(cut))},
        layers=names,
        why="A parameter without a gradient keeps its random start for ever.",
        cure=cure,
        measured=(
            Measured(
                quantity="norm of the gradient\n(0: none came back)",
                values={p.name: p.gradient or 0.0 for p in called},
                marked=names,
            ),
        ),
    )


def _symmetric(model: nn.Module, x: Any, target: Any, facts: Facts) -> Finding | None:
    rows = {
        p.name: p
        for p in facts.parameters
        if p.rows_differ is not None and p.trainable and p.called and not p.embedding
    }
    equal = [
        p
        for p in rows.values()
        if _or_one(p.rows_differ) < EQUAL and _or_one(p.pull_apart) < PULL * facts.unit
    ]
    if not equal:
        return None
    worst = min(equal, key=lambda p: _or_one(p.rows_differ))
    differ = _or_one(worst.rows_differ)
    same = "are equal" if differ == 0 else f"differ by {_number(differ)} of their size"
    what = "all 0" if worst.size == 0 else f"its {worst.units} units {same}"
    return Finding(
        illness="symmetric",
        summary=f"{worst.name}: {what}, and so is the gradient that comes back to them.",
        evidence={"rows differ": differ, "pull apart": _or_one(worst.pull_apart)},
        layers=tuple(p.name for p in equal),
        why="Units that start equal and get equal gradients stay equal: a wide layer then "
        "computes a single feature.",
        cure=cures.restart(model, x, facts),
        measured=(
            Measured(
                quantity="relative difference\nbetween the units of a weight",
                values={name: _or_one(p.rows_differ) for name, p in rows.items()},
                low=EQUAL,
            ),
        ),
    )


def _or_one(value: float | None) -> float:
    return 1.0 if value is None else value


def _dead(model: nn.Module, x: Any, target: Any, facts: Facts) -> Finding | None:
    shares = {layer.name: layer.dead for layer in facts.trace.layers if layer.dead is not None}
    ill = [name for name, share in shares.items() if share > DEAD]
    if not ill:
        return None
    worst = max(ill, key=lambda name: shares[name])
    return Finding(
        illness="dead",
        summary=f"{_percent(shares[worst])} of the units of {worst} are 0 for every input.",
        evidence={"dead share": shares[worst], "layers": float(len(ill))},
        layers=tuple(ill),
        why="A unit that is 0 for every input gets no gradient. It comes back only if what the "
        "layers below send to it changes.",
        cure=cures.restart(model, x, facts),
        measured=(Measured(quantity="share of dead units", values=shares, high=DEAD, log=False),),
    )


def _saturated(model: nn.Module, x: Any, target: Any, facts: Facts) -> Finding | None:
    shares = {
        layer.name: layer.saturated for layer in facts.trace.layers if layer.saturated is not None
    } | facts.gates
    ill = [name for name, share in shares.items() if share > SATURATED]
    mean = sum(shares.values()) / len(shares) if shares else 0.0
    if mean <= SATURATED:
        return None
    worst = max(ill, key=lambda name: shares[name])
    return Finding(
        illness="saturated",
        summary=f"{_percent(shares[worst])} of what {worst} computes lies at the ends of its "
        f"range ({_percent(mean)} over all such layers).",
        evidence={"saturated share": shares[worst], "mean share": mean},
        layers=tuple(ill),
        why="At the ends of its range a bounded function is flat: it passes on hardly any "
        "gradient, and the weights before it hardly learn.",
        cure=cures.restart(model, x, facts),
        measured=(
            Measured(
                quantity="share of saturated values", values=shares, high=SATURATED, log=False
            ),
        ),
    )


def _collapsed(model: nn.Module, x: Any, target: Any, facts: Facts) -> Finding | None:
    given = {} if math.isnan(facts.input_spread) else {"x": facts.input_spread}
    spread = given | before_output(facts, facts.spread)
    known = [(name, s) for name, s in spread.items() if not math.isnan(s)]
    if not known or known[-1][1] >= ALIKE or facts.entered >= ALIKE:
        return None
    ill: list[str] = []
    for name, share in reversed(known):
        if share >= ALIKE:
            break
        ill.insert(0, name)
    last, share = known[-1]
    from_data = ill[0] == "x"
    return Finding(
        illness="collapsed",
        summary=f"different inputs look alike: their mean cosine is 1 - {_number(share)} at "
        f"{last}" + (", and in the batch itself already." if from_data else f", from {ill[0]} on."),
        evidence={"1 - cosine at the end": share, "1 - cosine of x": facts.input_spread},
        layers=tuple(ill),
        why="Everything becomes one point: no later layer can tell two inputs apart, and what "
        "tells them apart gets no gradient.",
        cure=cures.advise(cures.STANDARDISE) if from_data else cures.restart(model, x, facts),
        measured=(
            Measured(
                quantity="1 - mean cosine\nbetween different inputs",
                values=dict(known),
                low=ALIKE,
            ),
        ),
    )


def _exploding(model: nn.Module, x: Any, target: Any, facts: Facts) -> Finding | None:
    leverage = _leverage(facts)
    if not leverage:
        return None
    strongest = max(leverage, key=lambda name: leverage[name])
    forwards, backwards = growth(facts)
    if leverage[strongest] <= STRONG or max(forwards, backwards) < GROWTH:
        return None
    way = "the signal" if forwards >= backwards else "the gradient, on its way back,"
    normed = any(isinstance(m, nn.modules.batchnorm._BatchNorm) for m in model.modules())
    if normed and backwards > forwards:
        cure = cures.advise(
            "no start mends this: BatchNorm multiplies the gradient in each layer. "
            "Use fewer layers, skip connections, or no BatchNorm with Kaiming's start"
        )
    else:
        cure = cures.restart(model, x, facts)
    return Finding(
        illness="exploding",
        summary=f"{way} grows by a factor of {_number(max(forwards, backwards))} through the "
        f"layers; if {strongest} changes by 1 %, the loss changes by about "
        f"{_number(leverage[strongest] / 100)} times that of a guess.",
        evidence={
            "leverage": leverage[strongest],
            "growth forwards": forwards,
            "growth backwards": backwards,
            "loss": facts.loss,
        },
        layers=tuple(name for name, value in leverage.items() if value > STRONG),
        why="A step that is right for one layer throws another far out of the region where its "
        "gradient is true, and the loss jumps or overflows.",
        cure=cure,
        measured=(_leverages(facts), _signals(facts)),
    )


def _in_order(names: Iterable[str], facts: Facts) -> list[str]:
    """Sort parameters by when their layer is first called, which need not be their order."""
    places: dict[str, int] = {}
    for place, layer in enumerate(facts.trace.layers):
        places.setdefault(layer.name.split(":")[0], place)
    owner = {p.name: p.layer for p in facts.parameters}
    return sorted(names, key=lambda name: places.get(owner[name], -1))


def _vanishing(model: nn.Module, x: Any, target: Any, facts: Facts) -> Finding | None:
    leverage = _leverage(facts)
    if not leverage:
        return None
    first = _in_order(leverage, facts)[: max(1, len(leverage) // 3)]
    best = max(first, key=lambda name: leverage[name])
    plain = not facts.woken and not any("Norm" in type(m).__name__ for m in model.modules())
    limit = FAINT if plain and max(leverage.values()) < FAINT else WEAK
    if leverage[best] >= limit:
        return None
    weak = [name for name, value in leverage.items() if value < limit]
    rms = list(before_output(facts, rms_of(facts)).values()) or [math.nan]
    return Finding(
        illness="vanishing",
        summary=f"{len(weak)} of {len(leverage)} weights have next to no effect: if {best} changes "
        f"by 100 %, the loss changes by only {_number(leverage[best])} of that of a guess.",
        evidence={
            "leverage": leverage[best],
            "largest leverage": max(leverage.values()),
            "signal, last over first": rms[-1] / rms[0] if rms[0] else math.nan,
        },
        layers=tuple(weak),
        why="The first layers hardly move, so that the network learns no features: at best its "
        "last layers learn on top of random ones.",
        cure=cures.restart(model, x, facts),
        measured=(_leverages(facts, low=limit), _signals(facts)),
    )


def _wrong_loss(model: nn.Module, x: Any, target: Any, facts: Facts) -> Finding | None:
    if not facts.guess or facts.loss <= WRONG * facts.guess:
        return None
    return Finding(
        illness="wrong loss",
        summary=f"the loss starts at {_number(facts.loss)}; a guess has {_number(facts.guess)}.",
        evidence={"loss": facts.loss, "loss of a guess": facts.guess, "rms of x": facts.input_rms},
        layers=(facts.last.split(":")[0],),
        why="The network is sure of wrong answers: the first steps only take back what the last "
        "layer says, with gradients that disturb all other layers.",
        cure=cures.quiet_output(model, x, target, facts),
        measured=(
            Measured(
                quantity="loss at the start",
                values={"a guess": facts.guess, "this network": facts.loss},
                high=WRONG * facts.guess,
            ),
        ),
    )


def _healthy(facts: Facts) -> Finding:
    leverage = _leverage(facts)
    said = "no loss is given" if facts.stands_in else f"the loss is {_number(facts.loss)}"
    if facts.guess:
        said += f" (a guess has {_number(facts.guess)})"
    evidence = {} if facts.stands_in else {"loss": facts.loss}
    if leverage:
        low, high = min(leverage.values()), max(leverage.values())
        evidence |= {"least leverage": low, "largest leverage": high}
        said += f", the leverage of the weights {_number(low)} to {_number(high)} guesses"
    spread = [s for s in before_output(facts, facts.spread).values() if not math.isnan(s)]
    if spread:
        evidence["1 - cosine at the end"] = spread[-1]
        said += f", and different inputs stay apart (mean cosine {1 - spread[-1]:.2g})"
    return Finding(
        illness="healthy",
        summary=f"{said}.",
        evidence=evidence,
        layers=(),
        why="Each layer hears from the data and from the loss, neither too little nor too much.",
        measured=(_leverages(facts), _signals(facts)),
    )


RULES: tuple[Rule, ...] = (
    _non_finite,
    _no_gradient,
    _symmetric,
    _dead,
    _saturated,
    _collapsed,
    _exploding,
    _vanishing,
    _wrong_loss,
)
ILLNESSES = (
    "non-finite",
    "no gradient",
    "symmetric",
    "dead",
    "saturated",
    "collapsed",
    "exploding",
    "vanishing",
    "wrong loss",
)
"""The names of the illnesses, in the order in which they are asked for: causes first."""


def _weights(facts: Facts) -> Iterator[Parameter]:
    for p in facts.parameters:
        if p.matrix and p.trainable and p.called:
            yield p


def _leverage(facts: Facts) -> dict[str, float]:
    """Return the leverage of each trainable weight, in guesses, in the model's order."""
    unit = facts.unit
    return {p.name: p.leverage / unit for p in _weights(facts) if p.leverage is not None}


def rms_of(facts: Facts) -> dict[str, float]:
    """Give the rms of what each layer emits."""
    return {
        layer.name: layer.activation.rms
        for layer in facts.trace.layers
        if layer.activation is not None
    }


def before_output(facts: Facts, values: dict[str, float]) -> dict[str, float]:
    """Keep the layers that emit before the last one with weights does."""
    names = list(values)
    return {
        n: values[n] for n in (names[: names.index(facts.last)] if facts.last in names else names)
    }


def growth(facts: Facts) -> tuple[float, float]:
    """Return by what factor the signal grows forwards, and the gradient backwards.

    Each is the largest rms of a hidden layer over that where the way begins; for a recurrent layer
    also that of a step over the first one.
    """
    signal = [v for v in before_output(facts, rms_of(facts)).values() if v > 0]
    gradient = {
        layer.name: layer.gradient.rms for layer in facts.trace.layers if layer.gradient is not None
    }
    back = [v for v in before_output(facts, gradient).values() if v > 0]
    forwards = max(signal) / signal[0] if signal else 1.0
    forwards = max([forwards, *facts.through_time.values()])
    backwards = max(back) / back[-1] if back else 1.0
    return forwards, backwards


def _leverages(facts: Facts, low: float = WEAK) -> Measured:
    return Measured(
        quantity="leverage of each weight\n(losses of a guess)",
        values=_leverage(facts),
        low=low,
        high=STRONG,
    )


def _signals(facts: Facts) -> Measured:
    return Measured(quantity="rms of what\neach layer emits (no unit)", values=rms_of(facts))


def _number(value: float) -> str:
    """Write two significant digits, large and small numbers as powers of ten."""
    if not math.isfinite(value) or value == 0:
        return f"{value:g}"
    return f"{value:.1e}" if not 1e-3 <= abs(value) < 1e4 else f"{float(f'{value:.1e}'):g}"


def _percent(share: float) -> str:
    text = f"{100 * share:.0f}"
    if text == "100" and share < 1:
        return "more than 99 %"
    return "less than 1 %" if text == "0" and share > 0 else f"{text} %"
