"""What was found, and how is it shown? Findings print in text and in HTML, with their picture."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from torch import nn

from initlab.probe.records import Trace

BAD, CARE, GOOD = "#d1495b", "#b8770b", "#2e8b57"  # 3 : 1 on white and on JupyterLab's dark ground
WILL_NOT, WITH_CARE, HEALTHY = "will not train", "trains with care", "healthy"
SHOWN = 6  # names of layers in a line
CODE = ("where", "fix")  # parts of a finding that are written as they are


@dataclass(frozen=True)
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
    """What fixes an illness.

    Args:
        call: Lines of Python in the caller's own names, or a sentence where no line can do it.
        local: Whether it changes only what the finding names.
        settles: Whether it is enough that the network then starts where a guess is.
        apply: Runs the lines on a network; None until they helped a copy.
        proof: What came of it on that copy.
    """

    call: str
    local: bool = False
    settles: bool = False
    apply: Callable[[nn.Module], Any] | None = None
    proof: str = ""


@dataclass(frozen=True, kw_only=True, repr=False)
class Finding:
    """One illness, or health, with what proves it.

    Args:
        illness: One of `il.diagnosis.ILLNESSES`, or "healthy", or "not judged".
        severity: "will not train", or "trains with care", or "healthy".
        summary: What was seen, in one sentence with the main numbers.
        evidence: Name of a number → the number.
        layers: Names of the layers (or parameters) where it was seen, in the model's order.
        why: Why it matters, in one sentence.
        care: With which care the network trains as it is; empty where it does not, or needs none.
        cure: What fixes it.
        measured: The numbers that its picture shows.
        notes: What else was measured, and found right.
        not_judged: What could not be judged, and why.
    """

    illness: str
    severity: str = WILL_NOT
    summary: str
    evidence: dict[str, float]
    layers: tuple[str, ...]
    why: str
    care: str = ""
    cure: Cure | None = None
    measured: Sequence[Measured] = ()
    notes: tuple[str, ...] = ()
    not_judged: tuple[str, ...] = ()

    @property
    def call(self) -> str:
        """The line that fixes it, or what its author must do; empty for a healthy network."""
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
            ValueError: There is nothing to fix, or only the author of the code can do it.
            TypeError: `model` is no module.
        """
        if not isinstance(model, nn.Module):
            raise TypeError(f"model must be a torch.nn.Module, got {type(model).__name__}.")
        if self.cure is None:
            raise ValueError(f"this network is {self.illness}: there is nothing to fix.")
        if self.cure.apply is None:
            raise ValueError(f"no call on the model fixes this ({self.illness}): {self.cure.call}")
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
            plots.limits(**vars(one), ax=ax)
        return figure

    @property
    def title(self) -> str:
        """The name, and how bad it is: `VANISHING (will not train)`."""
        name = self.illness.upper()
        return name if self.severity == self.illness else f"{name} ({self.severity})"

    def __repr__(self) -> str:
        return self.text()

    def text(self, like: str = "") -> str:
        """Write it down; what is fixed together with another finding says so, and no more."""
        parts = self._parts()
        if like:
            parts = {label: parts[label] for label in ("where", "why") if label in parts}
            parts["fix"] = f"as for {like.upper()}: {self.call}"
        return "\n".join([f"{self.title}: {self.summary}", *map(_line, parts, parts.values())])

    def _parts(self) -> dict[str, str]:
        more = len(self.layers) - SHOWN
        parts = {
            "where": ", ".join(self.layers[:SHOWN]) + (f" and {more} more" if more > 0 else ""),
            "why": self.why,
            "care": self.care,
            "fix": self.call,
            "tried": self.cure.proof if self.cure else "",
            "right": "; ".join(self.notes),
            "not judged": "; ".join(self.not_judged),
        }
        return {label: text for label, text in parts.items() if text}

    def _repr_html_(self) -> str:
        colour = {HEALTHY: GOOD, WITH_CARE: CARE}.get(self.severity, BAD)
        rows = "".join(
            f'<tr><th scope="row" style="text-align:left; vertical-align:top">{label}</th>'
            f'<td style="text-align:left">{_html(label, text)}</td></tr>'
            for label, text in self._parts().items()
        )
        picture = ""
        if self.measured:
            from matplotlib import pyplot

            figure = self.plot()
            picture = figure._repr_html_()
            pyplot.close(figure)  # else a notebook shows it once more
        return (
            f'<div style="border-left: 5px solid {colour}; padding: 2px 0 2px 12px; '
            f'margin: 4px 0"><strong>{escape(self.title)}</strong>: '
            f"{escape(self.summary)}<table>{rows}</table>{picture}</div>"
        )


class Findings(list[Finding]):
    """All findings on one network, worst first; a healthy network has one, "healthy".

    Args:
        findings: At least one.
        trace: The pass that they rest on.
    """

    def __init__(self, findings: Iterable[Finding], trace: Trace) -> None:
        super().__init__(findings)
        self.trace = trace

    @property
    def healthy(self) -> bool:
        """Whether nothing was found that keeps the network from training."""
        return self.illness == "healthy"

    @property
    def severity(self) -> str:
        """That of the worst finding."""
        return self[0].severity

    @property
    def illness(self) -> str:
        """The name of the worst finding."""
        return self[0].illness

    @property
    def illnesses(self) -> list[str]:
        """The names of all findings, worst first."""
        return [finding.illness for finding in self]

    def __repr__(self) -> str:
        first: dict[str, str] = {}  # what fixes several findings is written once
        texts = []
        for finding in self:
            like = first.setdefault(finding.call, finding.illness) if finding.call else ""
            texts.append(finding.text(like if like != finding.illness else ""))
        return "\n\n".join(texts)

    def _repr_html_(self) -> str:
        return "".join(finding._repr_html_() for finding in self)


def _line(label: str, text: str) -> str:
    if label not in CODE:
        text = textwrap.fill(text, 88, break_long_words=False)
    return f"  {label:5} " + text.replace("\n", "\n" + " " * 8)


def _html(label: str, text: str) -> str:
    safe = escape(text).replace("\n", "<br>")
    return f"<code>{safe}</code>" if label in CODE else safe
