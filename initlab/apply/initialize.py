"""How does a scheme get onto a whole model? First a plan, then the values, then the report.

The plan is data: a `Step` for each weight says what fills it, or why it stays as it is. What can be
foreseen is raised while planning; if filling fails, the model is put back.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Generator, Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.utils import parametrize

from initlab.apply.layers import Bias, Weight, pieces, without_padding
from initlab.apply.parametrized import held, keep_values, own_values, restored_on_failure
from initlab.apply.plan import Settings, Step, plan, walk
from initlab.apply.report import Report, Row, joined
from initlab.apply.rules import (
    AnyBias,
    AnyScheme,
    Rule,
    check_rules,
    output_bias_of,
    resolve_bias,
)
from initlab.arguments import network, number
from initlab.schemes import Scheme, TorchDefault, fans
from initlab.schemes import scheme as find_scheme
from initlab.schemes.custom import drawing_from


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
        scheme: A name in `il.SCHEMES`, a scheme, a function that fills a tensor, or a function
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
        weight=find_scheme(scheme, **params),
        bias=resolve_bias(bias),
        rules=check_rules(rules),
        forget=None if forget_bias is None else number("forget_bias", forget_bias),
        output=None if output_bias is None else output_bias_of(model, output_bias),
    )
    steps = plan(model, settings, generator)
    with restored_on_failure(model, generator):
        steps = fill_in(steps, generator)
        for name, module in model.named_modules():
            if isinstance(module, _NormBase) and not _frozen(model, name):
                module.reset_running_stats()
    return report(model, steps)


# ------------------------------------------------------------------ the values


def fill_in(steps: Sequence[Step], generator: Generator | None) -> list[Step]:
    """Fill the weights in place.

    Returns:
        The steps as they were done: a weight whose parametrization refused its value has no
        filler, and a note that says so.
    """

    @functools.cache
    def own(module: nn.Module) -> dict[str, Tensor] | None:
        with drawing_from(generator):
            return own_values(module)

    done = []
    for step in steps:
        if step.filler is not None:
            try:
                value = _draw(step, step.filler, generator, own)
            except Exception as error:
                error.add_note(f"While drawing {step.name} ({type(step.weight.module).__name__}).")
                raise
            step = _put(step, value)
        done.append(step)
    return done


def _draw(
    step: Step,
    filler: Scheme | Tensor,
    generator: Generator | None,
    own: Callable[[nn.Module], dict[str, Tensor] | None],
) -> Tensor:
    """Draw the new value of one weight; `own` gives what `reset_parameters` gives its module."""
    value, kind = step.weight.value().clone(), step.kind
    if isinstance(filler, Tensor):
        return value.copy_(filler)
    default = isinstance(filler, TorchDefault)
    values = own(step.weight.module) if default else None
    if values is not None:
        value.copy_(values[step.weight.name])
    elif value.dim() > 1 or not default:
        for piece in pieces(kind, value):
            piece.copy_(filler.fill_(piece.contiguous(), generator))
        if isinstance(kind, Weight) and kind.zero_row is not None:
            value[kind.zero_row] = 0
    if isinstance(kind, Bias):
        if default and (values is None or kind.own is not None):
            value.fill_(kind.own or 0.0)
        if step.forget is not None and kind.forget is not None:
            value.chunk(4)[1].fill_(kind.forget * step.forget)
    return value


def _put(step: Step, value: Tensor) -> Step:
    """Write the value into the model, or say why its parametrization cannot take it."""
    weight, how = step.weight, step.weight.note
    if not how:
        weight.put(value)
        return step
    put_back = keep_values(weight.module)
    try:
        weight.put(value)
        if not weight.value().isfinite().all():
            raise ValueError("it would not be finite")
    except (RuntimeError, ValueError, NotImplementedError) as error:
        put_back()
        reason = str(error).splitlines()[0]
        return replace(step, filler=None, note=f"{how}, which cannot take this value: {reason}")
    return replace(step, note=joined(step.note, how))


def _frozen(model: nn.Module, name: str) -> bool:
    """Whether a normalisation layer keeps its running statistics.

    It does if all parameters of it are frozen; a layer without any follows the smallest part of
    the model around it that has some.
    """
    trains = [parameter.requires_grad for parameter in model.get_submodule(name).parameters()]
    if name and not trains:
        return _frozen(model, name.rpartition(".")[0])
    return bool(trains) and not any(trains)


# ------------------------------------------------------------------ the report


def report(model: nn.Module, steps: Sequence[Step]) -> Report:
    """Tell what was done, in the order of `model.named_parameters()`."""
    rows = {row.name: row for step in steps for row in _rows(step)}
    names = [name for name, _ in model.named_parameters(remove_duplicate=False)]
    return Report([rows[name] for name in names if name in rows])


def report_kept(model: nn.Module, note: str) -> Report:
    """Describe every parameter as it is, with a note."""
    return report(
        model,
        [
            Step(layer, weight, kind=None, note=note)
            for layer, module in walk(model)
            for weight in held(module).values()
        ],
    )


def _rows(step: Step) -> list[Row]:
    """Describe the parameters that hold one weight: one, or more behind a parametrization."""
    scheme = ""
    if step.filler is not None:
        scheme = "values" if isinstance(step.filler, Tensor) else repr(step.filler)
        scheme += "" if step.forget is None else f", forget gate {step.forget:g}"
    rows = [
        Row(
            layer=step.layer,
            type=parametrize.type_before_parametrizations(step.weight.module).__name__,
            parameter=name,
            shape=tuple(parameter.shape),
            note=step.note,
            scheme=scheme,
        )
        for name, parameter in step.weight.parameters().items()
    ]
    if step.filler is not None:
        value, kind = step.weight.value(), step.kind
        piece = pieces(kind, value)[0]
        matrix = piece.dim() > 1 and not isinstance(kind, Bias)
        fan_in, fan_out = fans(piece) if matrix else (None, None)
        given = None
        if isinstance(step.filler, TorchDefault):
            given = kind.own_std(value) if isinstance(kind, Weight) and value.numel() else None
        elif isinstance(step.filler, Scheme) and step.forget is None and piece.numel():
            given = step.filler.expected_std(piece.shape)
        got = spread(without_padding(kind, value))
        rows[0] = replace(rows[0], fan_in=fan_in, fan_out=fan_out, std_given=given, std_got=got)
    return rows


def spread(value: Tensor) -> float | None:
    """Tell the standard deviation over all entries; None where there are none."""
    if not value.numel():
        return None
    wide = value.to(torch.promote_types(value.dtype, torch.float32))
    return float((wide - wide.flatten()[0]).std(correction=0))  # exactly 0 for a constant
