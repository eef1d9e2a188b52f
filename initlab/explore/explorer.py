"""What do all explorers share? State, one computation for each change, and the way to the reader.

The browser asks for a change and gets one answer: the words, the panels as a small description,
and all their numbers in one binary buffer. `js/` is the other end; start reading at `view.js`.
"""

from __future__ import annotations

import copy
import inspect
import math
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import anywidget
from traitlets import Dict

from initlab.arguments import unknown
from initlab.experiments.threads import one_thread
from initlab.explore.colours import themes
from initlab.explore.controls import Control, controls_of
from initlab.explore.memory import release_memory
from initlab.explore.scene import Scene, Table, pack

if TYPE_CHECKING:
    from initlab.plots import Picture

_HERE = Path(__file__).parent
_MODULES = ("numbers", "link", "canvas", "lines", "ridges", "grids", "paint", "controls", "network",
            "summary", "view")  # fmt: skip
SLICE = 0.03  # seconds of a long computation between two looks at the controls


def front_end() -> str:
    """Join the JavaScript modules into the one that anywidget takes: each after what it imports."""
    texts = [(_HERE / "js" / f"{name}.js").read_text(encoding="utf-8") for name in _MODULES]
    return re.sub(r"^import .*\n", "", "\n".join(texts), flags=re.MULTILINE)


class Explorer(anywidget.AnyWidget):
    """A picture that follows its controls.

    A subclass names its `Settings`, the record whose fields are the controls, and
    defines `compute`, a pure function from these settings to a scene. Each control is a trait:
    setting it redraws; an error is shown in `error`, beside the last good picture, and never
    raised into a callback.

    Args:
        **values: A value for each control that is not to start at its default.

    Raises:
        ValueError: A control of this name does not exist, or does not allow this value.
        TypeError: The value has the wrong type.
    """

    _esm = front_end()
    _css = _HERE / "explorer.css"
    _setup = Dict().tag(sync=True)
    _first = Dict().tag(sync=True)  # what a new view shows before the kernel has time for it

    Settings: ClassVar[type]
    """A frozen record; its fields are the controls, in the order in which they are shown."""
    title: ClassVar[str]
    """What a screen reader calls it."""
    presets: ClassVar[dict[str, dict[str, Any]]] = {}
    """A question worth trying → values of controls; those not named go back to their defaults."""
    buttons: ClassVar[dict[str, str]] = {}
    """Text on the button → name of the method that it calls."""

    def __init_subclass__(cls, **more: Any) -> None:
        super().__init_subclass__(**more)
        if "Settings" in vars(cls):
            for name, control in controls_of(cls.Settings).items():
                trait = copy.copy(control)  # a trait belongs to one class
                setattr(cls, name, trait)
                trait.class_init(cls, name)
            controls = cls.controls().items()
            told = [f"    {name}: {one.hint} ({one.allowed()})." for name, one in controls]
            cls.__doc__ = "\n".join([inspect.cleandoc(cls.__doc__ or ""), "", "Controls:", *told])

    def __init__(self, **values: Any) -> None:
        super().__init__()
        self.scene = Scene(headline="", table=Table(columns=[], rows=[]), panels=[])
        self.error = ""
        self._silent = False
        self._count = 0  # of computations
        self._took = 0.0  # seconds of the last one
        self._setup = {
            "title": self.title,
            "controls": [control.describe() for control in self.controls().values()],
            "presets": list(self.presets),
            "buttons": list(self.buttons),
            "theme": themes(),
        }
        self.on_msg(self._receive)
        self.observe(self._changed, names=list(self.controls()))
        self.set(**values)
        self._start = self.values  # what a reset goes back to

    @classmethod
    def controls(cls) -> dict[str, Control]:
        """Give the controls by name, in the order in which they are shown."""
        return {name: getattr(cls, name) for name in controls_of(cls.Settings)}

    @classmethod
    def defaults(cls) -> dict[str, Any]:
        """Give the value at which each control starts."""
        return {name: control.default_value for name, control in cls.controls().items()}

    def compute(self, settings: Any, seconds: float) -> Scene:
        """Turn the controls' values into what is shown: the one thing a subclass must define.

        Args:
            settings: The value of each control, a `Settings`.
            seconds: After this long a computation may return an unfinished scene; the next call
                with the same values goes on from there.
        """
        raise NotImplementedError

    @property
    def values(self) -> dict[str, Any]:
        """The value of each control."""
        return {name: getattr(self, name) for name in self.controls()}

    @property
    def headline(self) -> str:
        """The conclusion, in at most twelve words."""
        return self.scene.headline

    @property
    def sentence(self) -> str:
        """What is to be seen, in words: the headline, and the numbers behind it."""
        return self.scene.sentence

    def set(self, **values: Any) -> None:
        """Set several controls, and redraw once.

        Args:
            **values: New values; the other controls stay.

        Raises:
            ValueError: A name or a value is not allowed; then nothing has changed.
            TypeError: A value has the wrong type; then nothing has changed.
        """
        self._assign(values)
        self._refresh()
        self._publish()

    def figure(self) -> Picture:
        """Draw what is shown with matplotlib, for a page without a kernel.

        The figure's `.alt` is the sentence.
        """
        from initlab.explore.static import draw

        return draw(self.scene)

    def still(self) -> Picture:
        """Draw the figure below its main controls, for a notebook that has not been run.

        It tells how to bring it to life.
        """
        from initlab.explore.static import draw

        main = {name: one for name, one in self.controls().items() if one.main}
        return draw(self.scene, [(one, self.values[name]) for name, one in main.items()])

    def _changed(self, _: Any) -> None:
        if not self._silent:
            self.set()

    def _assign(self, values: dict[str, Any]) -> None:
        """Check all values first, then set them without a redraw for each."""
        controls = self.controls()
        for name in values:
            if name not in controls:
                raise ValueError(unknown(f"control of {type(self).__name__}", name, controls))
        checked = {name: controls[name].validate(self, value) for name, value in values.items()}
        with self._silence():
            for name, value in checked.items():
                setattr(self, name, value)

    @contextmanager
    def _silence(self) -> Iterator[None]:
        self._silent = True
        try:
            yield
        finally:
            self._silent = False

    def _refresh(self, seconds: float = math.inf) -> None:
        """Compute the scene; after an error the last good one stays."""
        began = time.perf_counter()
        try:
            with one_thread():
                self.scene = self.compute(self.Settings(**self.values), seconds)
            self.error = ""
        except Exception as problem:
            self.error = f"{type(problem).__name__}: {problem}"
        self._count += 1
        self._took = time.perf_counter() - began
        release_memory()

    def _receive(self, _: Any, request: dict[str, Any], buffers: Any) -> None:
        """Answer one request of the browser: always, also when it fails."""
        try:
            self._handle(request)
        except Exception as problem:
            self.error = f"{type(problem).__name__}: {problem}"
        self._publish(answer=request.get("id"))

    def _handle(self, request: dict[str, Any]) -> None:
        """Do what the browser asks for; a mere greeting wants what there is."""
        if request.get("ready"):
            return
        if "reset" in request:
            self._assign(self._start)
        if "preset" in request:
            self._assign({**self.defaults(), **self.presets[request["preset"]]})
        self._assign(request.get("set", {}))
        if "press" in request:
            with self._silence():
                getattr(self, self.buttons[request["press"]])()
        self._refresh(SLICE)

    def _publish(self, answer: str | None = None) -> None:
        """Send the state to every view of this explorer."""
        content, floats = self._state(answer)
        self.send(content, [floats])

    def _state(self, answer: str | None = None) -> tuple[dict[str, Any], bytes]:
        """Give what a view must know: a description, and all numbers in one buffer."""
        plain, floats = pack(
            {"panels": self.scene.panels, "network": self.scene.network, "table": self.scene.table}
        )
        content = {
            **plain,
            "answer": answer,
            "values": self.values,
            "headline": self.headline,
            "sentence": self.sentence,
            "error": self.error,
            "unfinished": not self.scene.finished,
            "took": 1000 * self._took,  # milliseconds
        }
        return content, floats

    def __repr__(self) -> str:
        return self.error or self.sentence

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """Add sentence and picture for readers without a kernel."""
        content, floats = self._state()
        self._first = {"content": content, "floats": floats}
        shown = super()._repr_mimebundle_(**kwargs) or ({}, {})
        still = {"text/plain": repr(self), **self.still().shown(repr(self))}
        return {**shown[0], **still}, shown[1]
