"""What goes wrong with the signal on its way? Dead, saturated, collapsed, exploding, vanishing."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import takewhile

from torch import nn

from initlab.diagnosis import cures
from initlab.diagnosis.case import Case
from initlab.diagnosis.facts import Facts
from initlab.diagnosis.findings import Cure, Measured
from initlab.diagnosis.illnesses.illness import Illness, Seen, in_order, leverage_and_signal
from initlab.diagnosis.trial import Outcome
from initlab.format import number, percent
from initlab.probe.tensors import first_tensor

SQUASHING = {"Sigmoid", "Softplus", "Hardsigmoid", "LogSigmoid", "Exp"}  # their mean is not 0


class Restarted(Illness):
    """An illness of the whole network: its weights are drawn afresh."""

    def cures(self, case: Case, seen: Seen) -> Iterator[Cure]:
        """Fill what is out of range, then the whole network."""
        yield from cures.restarts(case, seen.layers)

    def otherwise(self, case: Case, seen: Seen) -> str:
        """Say what helps where no start does."""
        if case.trained and set(seen.layers) & case.trained:
            return (
                "no initialisation can help without throwing away trained weights: "
                "train more slowly, or look at what was changed since they were trained"
            )
        own = [p for p in case.raw() if p.name in seen.layers]
        if own and not any(p.known for p in case.facts.weights):
            lines = cures.raw_lines(case, own).call
            return f"{lines}\n# tried on a copy, and not enough: look at the forward pass, too"
        return f"no initialisation that initlab knows helps here. {self.remedy(case)}"

    def remedy(self, case: Case) -> str:
        """Say which change of the architecture helps."""
        known = case.facts.graph.operations
        seen = {layer.kind for layer in case.facts.trace.layers if layer.nonlinearity}
        squashing = sorted({*known, *seen} & SQUASHING)
        if any(isinstance(m, nn.modules.batchnorm._BatchNorm) for m in case.model.modules()):
            return (
                "BatchNorm multiplies the gradient in each layer: use fewer layers, skip "
                "connections, or no BatchNorm with Kaiming's initialisation"
            )
        if squashing:
            return (
                f"The mean of {squashing[0]} is not 0, and each layer adds to what all inputs have "
                "in common: use an activation around 0 (Tanh, or ReLU with Kaiming), a "
                "normalisation layer in front of each activation, or fewer layers"
            )
        return (
            "What does: residual connections, a normalisation layer in each block, another "
            "activation, or fewer layers"
        )


class Dead(Restarted):
    """Units that are 0 for every input."""

    name = "dead"
    why = (
        "A unit that is 0 for every input gets no gradient. It comes back only if what the "
        "layers below send to it changes."
    )
    limit = 0.9
    """Largest share of dead units in a layer. With symmetric weights and biases of 0 a unit is off
    for a given input with probability 1/2, so more than half is not explained by a usual start;
    deep default networks that only collapse reach 0.7 on set A."""

    def test(self, case: Case) -> Seen | None:
        """Look at the layer with most dead units."""
        shares = self._shares(case)
        ill = [name for name, share in shares.items() if share > self.limit]
        if not ill:
            return None
        worst = max(ill, key=lambda name: shares[name])
        return Seen(
            f"{percent(shares[worst])} of the units of {worst} are 0 for every input.",
            {"dead share": shares[worst], "layers": float(len(ill))},
            tuple(ill),
            [Measured("share of dead units", shares, high=self.limit, log=False)],
        )

    def _shares(self, case: Case) -> dict[str, float]:
        hidden = case.facts.hidden(case.facts.signal)
        return case.facts.each(lambda layer: layer.dead if layer.name in hidden else None)

    def right(self, case: Case) -> str:
        """Tell the largest share."""
        worst = max(self._shares(case).values(), default=None)
        return "" if worst is None else f"at most {percent(worst)} of a layer's units are dead"


class Saturated(Restarted):
    """Bounded functions at the ends of their range."""

    name = "saturated"
    why = (
        "At the ends of its range a bounded function is flat: it passes on hardly any gradient, "
        "and the weights before it hardly learn."
    )
    limit = 0.5
    """Largest mean share of a layer's units at the ends of their range: for most units and inputs
    the gradient is then multiplied by less than 1 - 0.97² = 0.06. Set A: 0.21 trained, 0.56 did
    not."""

    def test(self, case: Case) -> Seen | None:
        """Look at the mean over all bounded layers."""
        shares, mean = self._shares(case)
        ill = [name for name, share in shares.items() if share > self.limit]
        if mean <= self.limit:
            return None
        worst = max(ill, key=lambda name: shares[name])
        return Seen(
            f"{percent(shares[worst])} of what {worst} computes lies at the ends of its range "
            f"({percent(mean)} over all such layers).",
            {"saturated share": shares[worst], "mean share": mean},
            tuple(ill),
            [Measured("share of saturated values", shares, high=self.limit, log=False)],
        )

    def _shares(self, case: Case) -> tuple[dict[str, float], float]:
        shares = case.facts.each(lambda layer: layer.saturated) | case.facts.gates
        return shares, sum(shares.values()) / max(len(shares), 1)

    def right(self, case: Case) -> str:
        """Tell the mean share."""
        shares, mean = self._shares(case)
        return f"{percent(mean)} of bounded values are saturated" if shares else ""


class Collapsed(Restarted):
    """Signals that have a size, but are the same for every input."""

    name = "collapsed"
    why = (
        "Everything becomes one point: no later layer can tell two inputs apart, and what tells "
        "them apart gets no gradient."
    )
    limit = 1e-3
    """How far apart different inputs must be in front of the output layer: 1 - mean cosine, or the
    share of ‖h‖² that differs between inputs, whichever is larger. Features with a common part of
    share 1 - s have a condition number of about 1/s, and gradient descent needs about that many
    steps: 1e-3 means a thousand. Set A: 0.006 trained, 0.0007 did not."""

    def test(self, case: Case) -> Seen | None:
        """Look at what enters the output layer."""
        hidden = case.facts.hidden(case.facts.apart)
        apart = {name: s for name, s in hidden.items() if not math.isnan(s)}
        last = next(reversed(apart), None)
        if last is None or apart[last] >= self.limit or case.facts.entered >= self.limit:
            return None
        ill = [*takewhile(lambda name: apart[name] < self.limit, reversed(apart))][::-1]
        cosine = f"1 - {number(apart[last])}" if apart[last] else "1"
        return Seen(
            f"different inputs look alike: their mean cosine is {cosine} at {last}, "
            f"from {ill[0]} on.",
            {"1 - cosine at the end": apart[last], "1 - cosine of x": case.facts.input_spread},
            tuple(ill),
            [Measured("1 - mean cosine\nbetween different inputs", apart, low=self.limit)],
        )


class Exploding(Restarted):
    """Signals or gradients that grow from layer to layer."""

    name = "exploding"
    why = (
        "A step that is right for one layer throws another far out of the region where its "
        "gradient is true, and the loss jumps or overflows."
    )
    limit = 80.0
    """Largest leverage, in guesses. On set A the strongest that trained had 36 (20 layers of
    BatchNorm), the weakest that diverged 200 (8 plain residual blocks); 80 is their geometric
    mean. With lr 0.01 a usual weight (‖w‖² = 128) then moves by 1.5 % in its first step, against
    the 0.1 % that is a rule of thumb."""
    growth = 10.0
    """A leverage that is too large comes from depth if signal or gradient grows by this factor or
    more from layer to layer; else from the last layer, and then the loss says so."""

    def test(self, case: Case) -> Seen | None:
        """Look at the strongest weight, and at growth through the layers."""
        leverage = case.facts.leverage
        if not leverage:
            return None
        strongest = max(leverage, key=lambda name: leverage[name])
        forwards, backwards = self._growth(case.facts)
        if not leverage[strongest] > self.limit or max(forwards, backwards) < self.growth:
            return None
        way = "the signal" if forwards >= backwards else "the gradient, on its way back,"
        return Seen(
            f"{way} grows by a factor of {number(max(forwards, backwards))} through the layers; if "
            f"{strongest} changes by 1 %, the loss changes by up to about "
            f"{number(leverage[strongest] / 100)} times that of a guess, to first order.",
            {
                "leverage": leverage[strongest],
                "growth forwards": forwards,
                "growth backwards": backwards,
                "loss": case.facts.loss,
            },
            tuple(name for name, value in leverage.items() if value > self.limit),
            leverage_and_signal(case.facts, Vanishing.weak, self.limit),
        )

    def _growth(self, facts: Facts) -> tuple[float, float]:
        """Return by what factor the signal grows forwards, and the gradient backwards.

        Each is the largest rms of a hidden layer over that where the way begins; for a recurrent
        layer also that of a step over the first one.
        """
        signal = [v for v in facts.hidden(facts.signal).values() if v > 0] or [1.0]
        back = [v for v in facts.hidden(facts.gradient).values() if v > 0] or [1.0]
        forwards = max([max(signal) / signal[0], *facts.through_time.values()])
        return forwards, max(back) / back[-1]


class Vanishing(Restarted):
    """Signals or gradients that shrink from layer to layer."""

    name = "vanishing"
    why = (
        "The first layers hardly move, so that the network learns no features: at best its last "
        "layers learn on top of random ones."
    )
    weak = 0.002
    """Least leverage, in guesses, of the best among the first third of the weights. On set A the
    weakest that trained had 0.0043 (4 default convolutions; not in the set, since others of that
    depth do not train), and the strongest of those whose gradient vanished 0.0005: 0.002 lies
    between."""
    faint = 0.017
    """Least leverage, in guesses, of the best of all weights, in a network without normalisation
    and without a layer that starts at 0: where the signal vanishes, all weights lose their say
    together. Set A: 0.026 trained (the same 4 convolutions), 0.012 did not."""

    def test(self, case: Case) -> Seen | None:
        """Look at the best of the first third of the weights."""
        facts, leverage = case.facts, case.facts.leverage
        if not leverage:
            return None
        plain = not facts.woken and not any(
            "Norm" in type(m).__name__ for m in case.model.modules()
        )
        limit = self.faint if plain and max(leverage.values()) < self.faint else self.weak
        first = in_order([*leverage], facts)[: max(1, len(leverage) // 3)]
        best = max(first, key=lambda name: leverage[name])
        if not leverage[best] < limit:
            return None
        weak = [name for name, value in leverage.items() if value < limit]
        rms = [*facts.hidden(facts.signal).values()] or [math.nan]
        return Seen(
            f"{len(weak)} of {len(leverage)} weights have next to no effect: if {best} changes by "
            f"100 %, the loss changes by only {number(leverage[best])} of that of a guess.",
            {
                "leverage": leverage[best],
                "largest leverage": max(leverage.values()),
                "signal, last over first": rms[-1] / rms[0] if rms[0] else math.nan,
            },
            tuple(weak),
            leverage_and_signal(facts, limit, Exploding.limit),
        )


class WrongLoss(Illness):
    """A loss far above that of a guess, though nothing grows on the way."""

    name = "wrong loss"
    why = (
        "The network is sure of wrong answers: its first gradients are large, and at a usual "
        "learning rate they can throw the other layers off before it learns."
    )
    refuted = False
    limit = 5.0
    """Largest loss at the start, in guesses: between 2.6, which trained, and 17, which did not."""

    def test(self, case: Case) -> Seen | None:
        """Compare the first loss with that of a guess."""
        facts, unit = case.facts, case.facts.guess.unit
        if unit is None or not facts.loss > self.limit * unit:
            return None
        head = facts.last.split(":")[0]
        x = first_tensor(case.x)
        rms = math.nan if x is None else float(x.detach().abs().double().square().mean().sqrt())
        evidence = {"loss": facts.loss, "loss of a guess": unit, "rms of x": rms}
        if facts.guess.zero is not None:
            evidence["loss of the output 0"] = facts.guess.zero
        losses = {"a guess": unit, "this network": facts.loss}
        return Seen(
            f"the loss starts at {number(facts.loss)}; a guess has {number(unit)}.",
            evidence,
            facts.graph.head_parameters or ((head,) if head else ()),
            [Measured("loss at the start", losses, high=self.limit * unit)],
        )

    def cures(self, case: Case, seen: Seen) -> Iterator[Cure]:
        """Fill what is far too large, or quiet the output layer."""
        yield from cures.out_of_range(case)
        yield from cures.quiet_output(case)
        if not case.facts.last:
            named = [p.name for p in case.facts.named(seen.layers) if p.trainable]
            if named:
                yield cures.refill(case, named, "added")
        yield from cures.restarts(case, seen.layers)

    def steps(self, case: Case) -> Outcome:
        """Give it the time to take back what the last layer says."""
        return case.untouched if case.untouched.trains else case.in_time

    def otherwise(self, case: Case, seen: Seen) -> str:
        """Say what its author can do."""
        where = " and ".join(seen.layers) or "the last function"
        return (
            f"no initialisation brings the loss down: look at what is done to the output after "
            f"{where} (a factor, an exponential), and at the scale of the targets"
        )
