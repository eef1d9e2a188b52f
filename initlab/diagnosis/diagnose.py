"""What is wrong with my network, and which line fixes it?"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from itertools import islice
from typing import Any

import torch
from torch import nn

from initlab.arguments import loss_function, network
from initlab.diagnosis.case import Case, Names
from initlab.diagnosis.findings import HEALTHY, WILL_NOT, WITH_CARE, Cure, Finding, Findings
from initlab.diagnosis.illnesses import ALL, Data, Exploding, Illness, Mode, Output, Seen, Vanishing
from initlab.diagnosis.illnesses.illness import leverage_and_signal
from initlab.diagnosis.trial import CLEAR, STEPS, Outcome, is_large, kept_random_state
from initlab.format import number
from initlab.probe.preserving import copied
from initlab.probe.run import Loss

CANDIDATES = 6  # cures that are tried for one finding
LEARNS = 0.75  # of a guess: a network that a few steps bring below it trains with care
WELL = 5.0  # the loss, in guesses, above which no cure may leave a network after a few steps


def diagnose(model: nn.Module, x: Any, target: Any = None, loss: Loss | None = None) -> Findings:
    """Say what keeps a network from training, with the numbers that prove it and what fixes it.

    It rests on one real forward and backward pass in the model's present mode. Where that pass
    shows an illness, a few training steps of a copy say how bad it is, and each cure is tried on
    a copy before it is offered: what was seen must be gone, and the copy must train better. The
    model, its gradients and the random state come back bit for bit; nothing is changed unless you
    call `finding.mend(model)`.

    The data are judged first: their scale, and that of targets that are values. A loss is compared
    with that of an output that is the same for every input, under the loss function that is
    given: so the verdict does not depend on how it sums, weights or smooths.

    The limits are in `il.diagnosis.illnesses`, each with where it comes from. They are made for a
    network at its start, and a batch of some dozens of different samples or more.

    Args:
        model: Any module.
        x: A batch: a tensor, a tuple of positional arguments or a dict of keyword arguments.
            Take real data: 64 samples or more.
        target: Class indices (integers) or values (floats) for the loss; or None. Without a
            target the loss at the start cannot be judged.
        loss: `loss(output, target)` → a scalar. Left out: the output's own `loss` where it has
            one, cross-entropy for integer targets, mean squared error for float ones, and without
            a target a sum of the outputs with random signs, which lets gradients flow.

    Returns:
        The findings, worst first, and of those that go together the cause first: each with
        `illness`, `severity` ("will not train" or "trains with care"), `summary`, `evidence`,
        `layers`, `why`, `call`, `mend(model)` and `plot()`. A network in which nothing was found
        has a single one, "healthy", or "not judged" where its loss cannot be judged.

    Raises:
        TypeError: `model` is no module or holds TorchScript ones, `x` is an array, or the target's
            type fits no loss.
        ValueError: The model has no parameters, or lazy or meta ones, or the target's shape does
            not fit. What the model itself raises passes through.

    >>> import initlab as il
    >>> net = il.models.mlp(depth=3, width=32)
    >>> _ = il.initialize(net, "zeros")
    >>> batch = il.data.digits(128)
    >>> found = diagnose(net, *batch)
    >>> found.illness, found.severity, found[0].call
    ('symmetric', 'will not train', 'il.initialize(net, "kaiming_normal", nonlinearity="relu")')
    >>> _ = found[0].mend(net)
    >>> diagnose(net, *batch).illness
    'healthy'
    """
    network(model, hooked=True)
    loss_function(loss)
    if next(model.parameters(), None) is None:
        raise ValueError("model has no parameters: there is nothing that could train.")
    names = Names.of_caller(2, model, x, target)
    case = Case(model, x, target, loss, names)
    return Findings(list(judge(case)), case.facts.trace)


def judge(case: Case) -> Iterator[Finding]:
    """Ask for every illness; what follows a fault of the data or mode is asked without it."""
    found: list[Finding] = []
    refuted: list[tuple[Illness, Seen]] = []
    fixed: list[tuple[Cure, Case]] = []
    for illness in ALL:
        seen = illness.test(case)
        if seen is None:
            continue
        if illness.refuted and case.untouched.trains:
            refuted.append((illness, seen))
            continue
        cure, after = _cure(illness, case, seen, fixed)
        found.append(_finding(illness, case, seen, cure))
        if illness.ends:
            break
        if isinstance(illness, Data):
            case, fixed = illness.standardised(case), []
        elif isinstance(illness, (Mode, Output)) and after is not None:
            case, fixed = after, []
        elif after is not None:
            fixed.append((cure, after))
    if found:
        found[0] = replace(found[0], not_judged=_not_judged(case))
        yield from sorted(found, key=lambda one: one.severity != WILL_NOT)
    else:
        yield _sound(case, refuted)


def _finding(illness: Illness, case: Case, seen: Seen, cure: Cure) -> Finding:
    trains = seen.partial or (not illness.ends and illness.steps(case).best < LEARNS)
    return Finding(
        illness=seen.illness or illness.name,
        severity=WITH_CARE if trains else WILL_NOT,
        summary=seen.summary,
        evidence=seen.evidence,
        layers=seen.layers,
        why=illness.why,
        care=_care(illness, case, seen) if trains else "",
        cure=cure,
        measured=seen.measured,
    )


def _care(illness: Illness, case: Case, seen: Seen) -> str:
    """Say with which care a network that has an illness trains all the same."""
    tried = illness.steps(case)
    return seen.care or (
        f"in {len(tried.final)} trials of {tried.steps} steps, {tried.recipe} did best: "
        f"{number(tried.first)} → {number(tried.best)} losses of a guess. "
        "Warm the learning rate up, or keep the first one small."
    )


def _cure(
    illness: Illness, case: Case, seen: Seen, fixed: list[tuple[Cure, Case]]
) -> tuple[Cure, Case | None]:
    """Return the first cure that helps a copy, and that copy; or what only the author can do.

    What is gone after the cure of an earlier finding needs no other.
    """
    for cure, other in fixed:
        if illness.test(other) is None:
            return cure, other
    tried = set()
    for cure in islice(illness.cures(case, seen), CANDIDATES):
        if cure.call not in tried:
            tried.add(cure.call)
            after = _try(illness, case, seen, cure)
            if after is not None:
                apply = partial(case.run, cure.call)
                return replace(cure, apply=apply, proof=_proof(case, after.untouched)), after
    return Cure(call=illness.otherwise(case, seen)), None


def _try(illness: Illness, case: Case, seen: Seen, cure: Cure) -> Case | None:
    """Return the case of a copy after a cure; None if it does not help, or touches too much."""
    twin = _changed_copy(case, cure, seed=1)
    if twin is None or _touches_too_much(case, seen, twin):
        return None
    after = replace(case, model=twin)
    if not math.isfinite(after.facts.loss) or illness.test(after) is not None:
        return None
    if not illness.trained:
        return after
    if is_large(case.model):
        return after if _better(after.untouched, case.untouched, cure) else None
    again = _changed_copy(case, cure, seed=2)  # another draw must do it as well
    if again is None or not after.untouched.best < WELL:
        return None
    for steps in (STEPS, 3 * STEPS):  # where the few do not tell, some more do
        base = case.trial(case.model, case.untouched.recipe, steps)
        outcomes = (case.trial(one, after.untouched.recipe, steps) for one in (twin, again))
        if all(_better(outcome, base, cure) for outcome in outcomes):
            return after
    return None


def _better(outcome: Outcome, base: Outcome, cure: Cure) -> bool:
    """Whether a few steps come to clearly less; of a local change to less is enough."""
    learns = outcome.best < 0.99 * outcome.first or (cure.settles and outcome.best < 1.05)
    limit = min(WELL, base.best - (0 if cure.local else CLEAR))
    return learns and outcome.best < limit


def _changed_copy(case: Case, cure: Cure, seed: int) -> nn.Module | None:
    twin = copied(case.model)
    try:
        with kept_random_state(seed):
            case.run(cure.call, twin)
    except Exception:
        return None  # whatever a line raises, it is no cure
    return twin


def _touches_too_much(case: Case, seen: Seen, twin: nn.Module) -> bool:
    """Whether frozen parameters, zeros on purpose or trained weights were changed."""
    frozen = {name for name, p in case.model.named_parameters() if not p.requires_grad}
    kept = (frozen | case.zeros | case.trained) - set(seen.layers)
    head, now = case.facts.last.split(":")[0], dict(twin.named_parameters())
    for name, p in case.model.named_parameters():
        if name not in now:
            return True
        may_change = name not in kept or (name.rpartition(".")[0] == head and name not in frozen)
        if not may_change and not torch.equal(p.nan_to_num(7.0), now[name].nan_to_num(7.0)):
            return True
    return False


def _proof(case: Case, outcome: Outcome) -> str:
    before = number(case.untouched.best) if math.isfinite(case.untouched.best) else "no number"
    return (
        f"on a copy: after a few steps its loss is {number(outcome.best)} of that of a guess "
        f"({outcome.recipe}); without it, {before}"
    )


def _not_judged(case: Case) -> tuple[str, ...]:
    """Say what could not be judged, and why."""
    facts, reasons = case.facts, []
    if facts.guess.unit is None:
        reasons.append(f"the loss at the start ({facts.guess.why_not})")
    if not any(layer.nonlinearity for layer in facts.trace.layers):
        reasons.append("dead and saturated units (no activation is a module)")
    if facts.output.dim() and len(facts.output) < 2:
        reasons.append("whether inputs look alike (one sample)")
    return tuple(reasons)


def _sound(case: Case, refuted: list[tuple[Illness, Seen]]) -> Finding:
    """Say what was measured and found right, and what care it takes."""
    facts = case.facts
    why_not = facts.guess.why_not
    unknown = bool(why_not) and "same" not in why_not and case.loss is not None
    asked = [illness for illness, _ in refuted]
    notes = (illness.right(case) for illness in ALL if illness not in asked)
    said = "no loss is given" if facts.stands_in else f"the loss is {number(facts.loss)}"
    if facts.guess.unit:
        said += f" (a guess has {number(facts.guess.unit)})"
    leverage = facts.leverage
    evidence = {} if facts.stands_in else {"loss": facts.loss}
    if leverage:
        low, high = min(leverage.values()), max(leverage.values())
        evidence |= {"least leverage": low, "largest leverage": high}
        said += f", the leverage of the weights {number(low)} to {number(high)} guesses"
    apart = [s for s in facts.hidden(facts.spread).values() if not math.isnan(s)]
    if apart:
        evidence["1 - cosine at the end"] = apart[-1]
        said += f", and different inputs stay apart (mean cosine {1 - apart[-1]:.2g})"
    care = ""
    if refuted:
        illness, seen = refuted[0]
        care = f"{seen.summary} It trains all the same: {_care(illness, case, seen)}"
    return Finding(
        illness="not judged" if unknown else "healthy",
        severity=WITH_CARE if refuted else "not judged" if unknown else HEALTHY,
        summary=f"{said}.",
        evidence=evidence,
        layers=(),
        why="Each layer hears from the data and from the loss, neither too little nor too much.",
        care=care,
        measured=leverage_and_signal(facts, Vanishing.weak, Exploding.limit),
        notes=tuple(filter(None, notes)),
        not_judged=_not_judged(case),
    )
