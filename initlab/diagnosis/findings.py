"""What was found, and how is it shown? Findings print in text and in HTML, with their picture."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any

from torch import nn

from initlab.probe.records import Trace

BAD, GOOD = "#d1495b", "#2e8b57"  # at least 3 : 1 on white and on JupyterLab's dark background
SHOWN = 6  # names of layers in a line


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What proves a finding: one number for each layer, and where health ends.

    Args:
        quantity: What the numbers are, with their unit.
        values: Layer or parameter → number.
        low: Healthy values are at least this; None where there is no such limit.
        high: Healthy values are at most this.
        log: Whether the numbers are best seen on a logarithmic axis.
        marked: Names that are ill though no limit says so.
    """

    quantity: str
    values: dict[str, float]
    low: float | None = None
    high: float | None = None
    log: bool = True
    marked: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Cure:
    """What mends an illness.

    Args:
        call: A line of Python, or a sentence where no call can do it.
        apply: Does it to a model; None where only its author can.
    """

    call: str
    apply: Callable[[nn.Module], Any] | None = None


@dataclass(frozen=True, kw_only=True, repr=False)
class Finding:
    """One illness, or health, with what proves it.

    Args:
        illness: One of `il.diagnosis.ILLNESSES`, or "healthy".
        summary: What was seen, in one sentence with the main numbers.
        evidence: Name of a number → the number.
        layers: Names of the layers (or parameters) where it was seen, in the model's order.
        why: Why it matters, in one sentence.
        cure: What mends it.
        measured: The numbers that its picture shows.
    """

    illness: str
    summary: str
    evidence: dict[str, float]
    layers: tuple[str, ...]
    why: str
    cure: Cure | None = None
    measured: tuple[Measured, ...] = field(default=())

    @property
    def call(self) -> str:
        """The line that mends it, or what its author must do; empty for a healthy network."""
        return self.cure.call if self.cure else ""

    @property
    def mendable(self) -> bool:
        """Whether `mend` can do it."""
        return self.cure is not None and self.cure.apply is not None

    def mend(self, model: nn.Module) -> Any:
        """Do what `call` says to a model, in place.

        Args:
            model: The network that was diagnosed, or one of the same architecture.

        Returns:
            What the call returns: usually a report with a row for each parameter.

        Raises:
            ValueError: Nothing is to be mended, or only the author of the code can do it.
            TypeError: `model` is no module.
        """
        if not isinstance(model, nn.Module):
            raise TypeError(f"model must be a torch.nn.Module, got {type(model).__name__}.")
        if self.cure is None:
            raise ValueError("this network is healthy: there is nothing to mend.")
        if self.cure.apply is None:
            raise ValueError(f"no call on the model mends this ({self.illness}): {self.cure.call}")
        return self.cure.apply(model)

    def plot(self) -> Any:
        """Draw what proves the finding; the shaded band is healthy.

        Returns:
            A figure with a text alternative.
        """
        from initlab import plots

        figure = plots.picture(height=4.2)
        with plots.themed():
            axes = figure.subplots(1, len(self.measured), squeeze=False)[0]
        for ax, one in zip(axes, self.measured, strict=True):
            plots.limits(
                one.values, low=one.low, high=one.high, log=one.log, quantity=one.quantity,
                marked=one.marked, ax=ax,
            )  # fmt: skip
        return figure

    def __repr__(self) -> str:
        lines = [f"{self.illness.upper()}: {self.summary}"]
        lines += [_line(label, text) for label, text in self._parts()]
        return "\n".join(lines)

    def _parts(self) -> list[tuple[str, str]]:
        parts = [("where", _names(self.layers)), ("why", self.why), ("mend", self.call)]
        return [(label, text) for label, text in parts if text]

    def _repr_html_(self) -> str:
        colour = GOOD if self.illness == "healthy" else BAD
        rows = "".join(
            f'<tr><th scope="row" style="text-align:left; vertical-align:top">{label}</th>'
            f'<td style="text-align:left">{_html(text, code=label != "why")}</td></tr>'
            for label, text in self._parts()
        )
        figure = self.plot()
        picture = figure._repr_html_()
        _forget(figure)
        return (
            f'<div style="border-left: 5px solid {colour}; padding: 2px 0 2px 12px; '
            f'margin: 4px 0"><strong>{escape(self.illness.upper())}</strong>: '
            f"{escape(self.summary)}<table>{rows}</table>{picture}</div>"
        )


class Findings(Sequence[Finding]):
    """All findings on one network, worst first; a healthy network has one, "healthy".

    Args:
        findings: At least one.
        trace: The pass that they rest on.
    """

    def __init__(self, findings: Sequence[Finding], trace: Trace) -> None:
        self._findings = list(findings)
        self.trace = trace

    def __len__(self) -> int:
        return len(self._findings)

    def __getitem__(self, index: Any) -> Any:
        return self._findings[index]

    @property
    def healthy(self) -> bool:
        """Whether nothing was found that keeps the network from training."""
        return self.illness == "healthy"

    @property
    def illness(self) -> str:
        """The name of the worst finding."""
        return self._findings[0].illness

    @property
    def illnesses(self) -> list[str]:
        """The names of all findings, worst first."""
        return [finding.illness for finding in self._findings]

    def __repr__(self) -> str:
        return "\n\n".join(map(repr, self._findings))

    def _repr_html_(self) -> str:
        return "".join(finding._repr_html_() for finding in self._findings)


def _names(layers: Sequence[str]) -> str:
    shown = ", ".join(layers[:SHOWN])
    more = len(layers) - SHOWN
    return f"{shown} and {more} more" if more > 0 else shown


def _line(label: str, text: str) -> str:
    lead = f"  {label:6}"
    wrapped = [
        part
        for line in text.split("\n")
        for part in (textwrap.wrap(line, 88, break_long_words=False) if label == "why" else [line])
    ]
    return "\n".join([lead + wrapped[0], *(" " * len(lead) + line for line in wrapped[1:])])


def _html(text: str, *, code: bool) -> str:
    safe = escape(text).replace("\n", "<br>")
    return f"<code>{safe}</code>" if code else safe


def _forget(figure: Any) -> None:
    """Close a figure, so that a notebook does not show it once more."""
    from matplotlib import pyplot

    pyplot.close(figure)
