"""What is wrong with my network, and which line mends it?"""

from __future__ import annotations

from typing import Any

from torch import nn

from initlab.arguments import network
from initlab.diagnosis.examining import examine
from initlab.diagnosis.findings import Findings
from initlab.diagnosis.illnesses import judge
from initlab.probe.run import Loss


def diagnose(model: nn.Module, x: Any, target: Any = None, loss: Loss | None = None) -> Findings:
    """Say what keeps a network from training, with the numbers that prove it and what mends it.

    It rests on one real forward and backward pass in the model's present mode. The model, its
    gradients and the random state come back bit for bit; nothing is mended unless you call
    `finding.mend(model)`. Where a weight is all 0 (a zeroed head or branch), three small trial
    steps are taken first and undone, since such a layer hides the gradient for a step.

    The limits are in `il.diagnosis.illnesses`, each with where it comes from. They are made for a
    network at its start, a batch of some dozens of different samples or more, and an optimiser
    with one learning rate for all layers; Adam forgives more.

    Args:
        model: Any module.
        x: A batch: a tensor, a tuple of positional arguments or a dict of keyword arguments.
            Take real data: 64 samples or more.
        target: Class indices (integers) or values (floats) for the loss; or None. Without a
            target the loss at the start cannot be judged.
        loss: `loss(output, target)` → a scalar. Left out: the output's own `loss` where it has
            one, cross-entropy for integer targets, mean squared error for float ones, and without
            a target a sum of the outputs with random signs, which lets gradients flow. A loss that
            is given and is neither of these two is not compared with that of a guess.

    Returns:
        The findings, worst first, and of those that go together the cause first: each with
        `illness`, `summary`, `evidence`, `layers`, `why`, `call`, `mend(model)` and `plot()`. A
        healthy network has a single one, "healthy".

    Raises:
        TypeError: `model` is no module or holds TorchScript ones, `x` is an array, or the target's
            type fits no loss.
        ValueError: The model has no parameters, or lazy or meta ones, or the target's shape does
            not fit. What the model itself raises passes through.

    >>> import initlab as il
    >>> net = il.models.mlp(depth=3, width=32)
    >>> _ = il.initialize(net, "zeros")
    >>> found = diagnose(net, *il.data.digits(128))
    >>> found.illness, found[0].call
    ('symmetric', 'il.initialize(model, "kaiming_normal", nonlinearity="relu")')
    >>> _ = found[0].mend(net)
    >>> diagnose(net, *il.data.digits(128)).illness
    'healthy'
    """
    network(model, hooked=True)
    if next(model.parameters(), None) is None:
        raise ValueError("model has no parameters: there is nothing that could train.")
    facts = examine(model, x, target, loss)
    return Findings(judge(model, x, target, facts), facts.trace)
