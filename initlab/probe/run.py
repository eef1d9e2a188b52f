"""What does one real forward and backward pass look like inside, leaving no mark?"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from initlab.arguments import loss_function
from initlab.probe.layers import Filter
from initlab.probe.preserving import preserving
from initlab.probe.recorder import Probe
from initlab.probe.records import Trace
from initlab.probe.tensors import all_tensors, first_tensor, map_tensors

Loss = Callable[[Any, Any], Tensor]


def trace(
    model: nn.Module,
    x: Any,
    target: Any = None,
    *,
    loss: Loss | None = None,
    layers: Filter | None = None,
    histogram_sample: int | None = 1024,
    bins: int = 50,
) -> Trace:
    """Measure what each layer emits and what gradient comes back to it, in one real pass.

    The pass runs in the model's present mode (train or eval), with gradients on, whatever the
    caller's context. Afterwards everything is as it was, also when the pass raises: hooks,
    buffers, modes, the gradients that the parameters already had, and the random generators (so
    that a second trace draws the same dropout masks).

    Args:
        model: Any module.
        x: The batch: a tensor, a tuple of positional arguments or a dict of keyword arguments.
        target: Class indices (integers) or values (floats) for the loss; or `None`.
        loss: `loss(output, target)` → a scalar. Left out: the output's own `loss` where it has
            one, cross-entropy for integer targets, mean squared error for float ones, and without
            a target the mean square of the output.
        layers: Which layers to record: names, name globs such as `"block*.act"`, module types.
            `None` records every module without children, and every module that owns parameters.
        histogram_sample: How many elements of a tensor its histogram counts, 1 or more: one at
            random from each of as many equal stretches, the same ones every time. `None` counts
            all. Moments are always over all.
        bins: Number of histogram bins, 1 or more.

    Returns:
        The trace: one record for each call of a layer, in the order in which they emit.

    Raises:
        TypeError: `model` is no module or holds TorchScript ones, `x` is an array, the target's
            type fits no loss, or another argument has the wrong type.
        ValueError: `layers` fits nothing, the target's shape does not fit, the loss is not a
            scalar, the model has lazy or meta parameters. What the model itself raises passes
            through.

    >>> model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 3))
    >>> found = trace(model, torch.randn(16, 4), torch.randint(3, (16,)))
    >>> [layer.name for layer in found.layers], found["1"].activation.count
    (['0', '1', '2'], 128)
    """
    probe = Probe(model, layers=layers, histogram_sample=histogram_sample, bins=bins)
    return traced(model, x, target, loss=loss, probe=probe)


def traced(model: nn.Module, x: Any, target: Any, *, loss: Loss | None, probe: Probe) -> Trace:
    """Trace with a probe that exists already, which saves time where there are many traces."""
    with (
        torch.inference_mode(False),
        torch.enable_grad(),
        preserving(model) as start_from_no_gradients,
        probe,
    ):
        output = call_model(model, x)
        value = _loss(output, map_tensors(Tensor.detach, target), loss)
        if value.requires_grad:
            start_from_no_gradients(value)
            value.backward()  # type: ignore[no-untyped-call]
        return probe.trace(loss=value.item())


def own_copy(x: Tensor) -> Tensor:
    """Copy out of the caller's graph, so that an in-place layer leaves the caller's batch alone."""
    return x.detach().clone().requires_grad_(x.requires_grad)


def call_model(model: nn.Module, x: Any) -> Any:
    """Call the model with a copy of a tensor, a tuple of arguments or a dict of keyword arguments.

    A compiled model runs as it was written, since hooks must see what each layer emits.
    """
    if isinstance(x, np.ndarray):
        raise TypeError("x must be a tensor, got a numpy array: pass torch.from_numpy(x).")
    x = map_tensors(own_copy, x)
    with ExitStack() as stack:
        attention = torch.backends.mha
        stack.callback(attention.set_fastpath_enabled, attention.get_fastpath_enabled())
        attention.set_fastpath_enabled(False)  # it skips layers, and emits nested tensors
        if "torch._dynamo" in sys.modules:  # else nothing is compiled, and importing it is slow
            stack.enter_context(torch.compiler.set_stance("force_eager"))
        if isinstance(x, tuple):
            return model(*x)
        return model(**x) if isinstance(x, Mapping) else model(x)


def _loss(output: Any, target: Any, loss: Loss | None) -> Tensor:
    if loss is not None:
        loss_function(loss)
        value = loss(output, target)
    elif (own := own_loss(output)) is not None:
        value = own
    else:
        value = usual_loss(logits_of(output), target)
    if not isinstance(value, Tensor):
        raise TypeError(f"loss must return a scalar tensor, got {type(value).__name__}.")
    if value.numel() != 1:
        raise ValueError(
            f"loss must return a scalar, got a tensor of shape {tuple(value.shape)}: "
            "reduce it, for example with .mean()."
        )
    return value.reshape(())


def own_loss(output: Any) -> Any:
    """Return the loss that a model computes by itself, or None."""
    return _member(output, "loss")


def _member(output: Any, name: str) -> Any:
    if isinstance(output, Tensor):
        return None
    return output.get(name) if isinstance(output, Mapping) else getattr(output, name, None)


def logits_of(output: Any) -> Tensor:
    """Return the tensor that a model's answer is about: its `logits`, or the first one in it."""
    logits = _member(output, "logits")
    found = first_tensor(output if logits is None else logits)
    if found is None:
        raise TypeError(
            f"model returned {type(output).__name__} without a tensor of floats in it: "
            "pass loss=, a function of (output, target)."
        )
    return found


def outputs_of(output: Any) -> list[Tensor]:
    """Return all that a model's answer says: its `logits`, or every tensor of floats in it."""
    if _member(output, "logits") is not None:
        return [logits_of(output)]
    return list(all_tensors(output)) or [logits_of(output)]  # which says what is missing


def usual_loss(logits: Tensor, target: Any) -> Tensor:
    """Return the loss that fits a target: cross-entropy, or the mean squared error."""
    if target is None:
        return (logits.abs() if logits.is_complex() else logits).float().square().mean()
    if not isinstance(target, Tensor):
        raise TypeError(
            "target must be a tensor of class indices or of float values (or pass loss=), "
            f"got {type(target).__name__}."
        )
    if target.is_floating_point():
        if logits.shape != target.shape:
            raise ValueError(
                f"target must have the output's shape {tuple(logits.shape)}, "
                f"got {tuple(target.shape)}: reshape it."
            )
        return F.mse_loss(logits, target.to(logits.dtype))
    if target.is_complex() or target.dtype == torch.bool:
        raise TypeError(
            "target must hold class indices (torch.long) or values (a float dtype), "
            f"got {target.dtype}: convert it with .long() or .float()."
        )
    return _cross_entropy(logits, target.long())


def _cross_entropy(logits: Tensor, target: Tensor) -> Tensor:
    if logits.dim() > 1 and logits.shape[:-1] == target.shape:  # classes last, as in a transformer
        logits, target = logits.flatten(0, -2), target.flatten()
    elif logits.dim() < 2 or logits.shape[:1] + logits.shape[2:] != target.shape:
        raise ValueError(
            "target of class indices must have the output's shape without the classes, "
            f"got {tuple(target.shape)} for an output of shape {tuple(logits.shape)}."
        )
    classes = logits.shape[1]
    lowest, highest = (int(end) for end in torch.aminmax(target)) if len(target) else (0, 0)
    if lowest < -100 or highest >= classes:  # -100 is what cross-entropy leaves out
        raise ValueError(
            f"target must hold class indices from 0 to {classes - 1}, as the output has "
            f"{classes} classes, got {lowest} to {highest}."
        )
    return F.cross_entropy(logits, target)
