"""How does a scheme get onto a whole model? Plan, draft, commit, tell.

Everything that can fail happens before the first weight changes: the plan says what fills each
parameter, the drafts hold the new values, and only then are they copied into the model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Generator, Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

from initlab.apply.drafting import draft
from initlab.apply.planning import Job, Settings, check_rules, output_of, plan
from initlab.apply.report import Report
from initlab.apply.rules import AnyBias, AnyScheme, Rule, resolve_bias, resolve_scheme
from initlab.apply.slots import Change
from initlab.apply.telling import tell
from initlab.arguments import network


def initialize(
    model: nn.Module,
    scheme: AnyScheme,
    *,
    bias: AnyBias = "zeros",
    rules: Sequence[Rule] | None = None,
    output_bias: Sequence[float] | Tensor | None = None,
    forget_bias: float | None = None,
    generator: Generator | None = None,
    **params: Any,
) -> Report:
    """Put a scheme on every layer of a model, and tell what was done to each parameter.

    Each matrix is filled with its own fans: the gates of a recurrent layer, the packed
    projections of attention, the groups of a convolution, and a transposed convolution with its
    fans the right way round. Normalisation layers start at 1 and 0, with fresh running
    statistics; the padding row of an embedding stays 0; tied weights are filled once. Frozen
    parameters (`requires_grad=False`) and layer types that are not in `apply.LAYERS` are left
    as they are, and the report says so. Layers are drawn in the order of `model.apply`.

    If anything fails, the model and the random state are as they were.

    Args:
        model: Any module; it is changed in place.
        scheme: A name in `il.SCHEMES`, a scheme, a function that fills a tensor, or a law
            `(fan_in, fan_out) -> variance`. "torch_default" gives each layer type what its own
            `reset_parameters` gives (with `bias="torch_default"`, its biases too).
        bias: What biases start as: "zeros", "torch_default", another scheme that can fill a
            vector, or a number.
        rules: Exceptions, in order: the first that fits a parameter wins.
        output_bias: Frequencies (or counts) of the classes, each above 0. The last layer with a
            bias of that many entries gets their logarithms, so that the network starts by
            predicting them; one output with two classes gets the log odds.
        forget_bias: Bias of the forget gate of every LSTM, often 1: it starts by remembering.
        generator: Source of the random numbers; None is PyTorch's global one.
        **params: Parameters of the scheme, such as `gain` or `nonlinearity`.

    Returns:
        A row for each parameter: layer, type, shape, scheme, fans, and the standard deviation
        that it was given and got.

    Raises:
        ValueError: A name or a value is not allowed, a rule fits nothing, a scheme cannot fill
            a layer, or the model has lazy or meta parameters.
        TypeError: An argument has the wrong type.

    >>> import torch
    >>> _ = torch.manual_seed(0)
    >>> network = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
    >>> initialize(network, "kaiming_normal", rules=[Rule("2", "xavier_normal")])
    4 parameters: 4 set.
    <BLANKLINE>
    layer  type    parameter  shape  scheme          fan_in  fan_out  std given  std got
    0      Linear  weight     32×64  kaiming_normal      64       32      0.177    0.173
    0      Linear  bias          32  zeros                                    0        0
    2      Linear  weight     10×32  xavier_normal       32       10      0.218    0.217
    2      Linear  bias          10  zeros                                    0        0
    """
    network(model)
    settings = Settings(
        weight=resolve_scheme(scheme, params),
        bias=resolve_bias(bias),
        rules=check_rules(rules),
        forget=forget_bias,
    )
    if output_bias is not None:
        settings.output = output_of(model, output_bias)
    return tell(model, *_fill(model, settings, generator))


def fill(model: nn.Module, scheme: AnyScheme, *, bias: AnyBias, generator: Generator) -> None:
    """Do what `initialize` does, but for the report, which takes half of the time."""
    network(model)
    settings = Settings(weight=resolve_scheme(scheme, {}), bias=resolve_bias(bias))
    _fill(model, settings, generator)


def _fill(
    model: nn.Module, settings: Settings, generator: Generator | None
) -> tuple[Sequence[Job], Mapping[int, Change]]:
    """Plan, draft and commit; return what a report needs."""
    jobs = plan(model, settings, generator)
    drafts = draft(model, jobs, generator)
    for change in drafts.values():
        change.commit()
    for name, module in model.named_modules():
        if isinstance(module, _NormBase) and not _frozen(model, name):
            module.reset_running_stats()
    return jobs, drafts


def _frozen(model: nn.Module, name: str) -> bool:
    """Say whether a norm stays as it is.

    So it does if a parameter of it is frozen. One without parameters does as the smallest part of
    the model around it that has some, if all of them are frozen.
    """

    def trains(part: str) -> list[bool]:
        return [parameter.requires_grad for parameter in model.get_submodule(part).parameters()]

    if own := trains(name):
        return not all(own)
    while name and not trains(name):
        name = name.rpartition(".")[0]
    around = trains(name)
    return bool(around) and not any(around)
