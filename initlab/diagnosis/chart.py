"""Which numbers tell illnesses apart? Eight of them, for somebody who wants to judge alone."""

from __future__ import annotations

import math

from torch import Tensor, nn

from initlab.diagnosis.facts import examine


def chart(model: nn.Module, x: Tensor, target: Tensor) -> dict[str, float]:
    """Measure what tells illnesses apart, without a judgement and without trial steps.

    Args:
        model: A network with at least two layers.
        x: A batch.
        target: Its classes or values.

    Returns:
        Eight numbers without a unit; nan where there is nothing to measure.

        - "loss": the loss, in losses of a guess.
        - "signal": rms of what the last hidden layer emits, over that of the first.
        - "gradient": rms of the gradient at the first hidden layer, over that at the last.
        - "1 - cos": 1 - mean cosine between what the last hidden layer emits for two inputs.
        - "dead": largest share of dead units in a layer.
        - "at ends": mean share of values at the ends of a bounded nonlinearity.
        - "rows": least relative difference between the units of a weight; 0: all are equal.
        - "cut": share of the parameters to which no gradient comes back.

    >>> import initlab as il
    >>> numbers = chart(il.models.mlp(14, 64), *il.data.digits(256))
    >>> numbers["dead"] < 0.9, numbers["1 - cos"] < 1e-3
    (True, True)
    """
    facts = examine(model, x, target, None, wake=False)
    signal = [*facts.hidden(facts.signal).values()]
    gradient = [*facts.hidden(facts.gradient).values()]
    spread = [*facts.hidden(facts.spread).values()]
    dead = facts.each(lambda layer: layer.dead).values()
    ends = facts.each(lambda layer: layer.saturated).values()
    rows = [p.rows_differ for p in facts.parameters if p.rows_differ is not None]
    return {
        "loss": facts.loss / (facts.guess.unit or math.nan),
        "signal": _over(signal[-1:], signal[:1]),
        "gradient": _over(gradient[:1], gradient[-1:]),
        "1 - cos": spread[-1] if spread else math.nan,
        "dead": max(dead, default=math.nan),
        "at ends": sum(ends) / len(ends) if ends else math.nan,
        "rows": min(rows, default=math.nan),
        "cut": sum(p.gradient is None for p in facts.parameters) / len(facts.parameters),
    }


def _over(value: list[float], by: list[float]) -> float:
    return value[0] / by[0] if value and by and by[0] else math.nan
