"""Records as `il.trace` and `il.train` give them, made of chosen numbers, for tests of plots."""

from types import SimpleNamespace

import numpy as np

NAN = float("nan")


def summary(values):
    """Do what a trace does, in float64 numpy."""
    values = np.asarray(values, float).ravel()
    finite = values[np.isfinite(values)]
    low, high = (finite.min(), finite.max()) if finite.size else (NAN, NAN)
    span = (0, 1) if not finite.size else (low, high) if low < high else (low - 0.5, high + 0.5)
    return SimpleNamespace(
        count=values.size,
        mean=finite.mean() if finite.size else NAN,
        std=finite.std() if finite.size else NAN,
        rms=np.sqrt(np.mean(finite**2)) if finite.size else NAN,
        min=low,
        max=high,
        zeros=(values == 0).mean(),
        nonfinite=1 - finite.size / values.size,
        histogram=np.histogram(finite, 64, span),
    )


def layer(name, values, *, nonlinearity=True, gradient=None, saturated=None):
    return SimpleNamespace(
        name=name,
        nonlinearity=nonlinearity,
        saturated=saturated,
        activation=summary(values),
        gradient=None if gradient is None else summary(gradient),
        weight=None,
        weight_gradient=None,
    )


def trace(stds, *, names="act{}", gradients=None):
    """Make a trace whose layer k emits normal numbers with rms stds[k-1]."""
    noise = np.random.default_rng(0).standard_normal(2000)
    noise /= np.sqrt(np.mean(noise**2))
    gradients = [None] * len(stds) if gradients is None else [g * noise for g in gradients]
    layers = [
        layer(names.format(place), std * noise, gradient=gradient)
        for place, (std, gradient) in enumerate(zip(stds, gradients, strict=True), start=1)
    ]
    return SimpleNamespace(layers=layers)


def prediction(activation, gradient=None, *, applies=True, reason=""):
    names = [f"act{place}" for place in range(1, len(activation) + 1)]
    gradient = gradient or [None] * len(activation)
    return SimpleNamespace(
        names=names, activation=activation, gradient=gradient, applies=applies, reason=reason
    )


def history(losses, accuracy=None):
    accuracy = accuracy or [None] * len(losses)
    return [
        {"step": step, "loss": loss, "accuracy": share}
        for step, (loss, share) in enumerate(zip(losses, accuracy, strict=True))
    ]


def record(step, rank):
    return SimpleNamespace(step=step, rank=rank, distinct=rank, update_ratio=rank)


RUN = SimpleNamespace(records=[record(0, {"a": 1.0, "b": 1.0}), record(10, {"a": 4.0, "b": NAN})])
