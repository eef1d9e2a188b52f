"""What does a figure say to a reader who cannot see it?

Every drawing function leaves a sentence with its main numbers on the axes that it drew on. A figure
made here shows as picture *and* text: in a notebook, on GitHub, in a PDF, to a screen reader.
"""

from __future__ import annotations

import base64
import html
import io
from importlib import import_module
from typing import Any, cast
from weakref import WeakKeyDictionary

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.image import imread
from PIL import Image

from initlab.plots.style import themed

WIDTH = 10.0  # inches: a 16:9 slide shows it a third larger
HEIGHT = 5.6

_SAID: WeakKeyDictionary[Axes, str] = WeakKeyDictionary()


class Picture(Figure):
    """A matplotlib figure with a text alternative.

    `repr` (the `text/plain` of a notebook) carries the alternative, so that a notebook test
    compares the numbers of a figure; `text/html` is an `<img>` with the alternative as `alt`.
    """

    @property
    def alt(self) -> str:
        """What is to be seen, in words, with the main numbers."""
        return explain(self)

    def __repr__(self) -> str:
        width, height = self.get_size_inches() * self.dpi
        count = len([one for one in self.axes if one.get_label() != "<colorbar>"])
        axes = "1 axes" if count == 1 else f"{count} axes"
        return f"<Figure {width:.0f}x{height:.0f}, {axes}>: {self.alt}"

    def _repr_html_(self) -> str:
        return self.shown(self.alt)["text/html"]

    def shown(self, alt: str) -> dict[str, str]:
        """Draw once, for all ways in which a notebook shows a picture.

        Args:
            alt: The text alternative of the picture.

        Returns:
            What stands under `text/html` (with the alternative) and under `image/png`.
        """
        data = base64.b64encode(self.png()).decode("ascii")
        words = html.escape(alt, quote=True)
        image = f'<img alt="{words}" style="max-width: 100%" src="data:image/png;base64,{data}">'
        return {"text/html": image, "image/png": data}

    def png(self) -> bytes:
        """Draw the figure as a PNG of a quarter of the usual size: 18 shades, and a palette."""
        drawn, small = io.BytesIO(), io.BytesIO()
        self.savefig(drawn, format="png", dpi=self.dpi, facecolor="white", bbox_inches=None)
        drawn.seek(0)
        shades = 15 * np.round(imread(drawn)[..., :3] * 17)
        image = Image.fromarray(shades.astype(np.uint8))
        # Lossless where there are at most 256 colours, as in nearly all of our figures.
        image.quantize(256, dither=Image.Dither.NONE).save(small, format="png", optimize=True)
        return small.getvalue()

    def _ipython_display_(self) -> None:
        """Show picture and text once, then let pyplot forget the figure, so it shows no second."""
        display: Any = import_module("IPython.display").display  # IPython calls this: it is there
        display({"text/plain": repr(self), **self.shown(self.alt)}, raw=True)
        plt.close(self)


@themed()
def picture(width: float = WIDTH, height: float = HEIGHT) -> Picture:
    """Make an empty figure in the house style, with a text alternative.

    Args:
        width: Inches; 10 fills a slide.
        height: Inches.

    Returns:
        A figure that pyplot knows (so a notebook shows it at the end of the cell); its `.alt`
        collects what the plots drawn on it say.
    """
    made = plt.figure(FigureClass=Picture, figsize=(width, height), dpi=100, layout="constrained")
    return cast(Picture, made)


def say(ax: Axes, sentence: str) -> None:
    """Leave on these axes the words for what is to be seen, after what was said before."""
    _SAID[ax] = f"{_SAID.get(ax, '')} {sentence}".strip()


def hush(ax: Axes) -> None:
    """Forget what was said about these axes: they were cleared."""
    _SAID.pop(ax, None)


def explain(drawn: Axes | Figure | SubFigure) -> str:
    """Say in words what is to be seen on axes or on a whole figure.

    Args:
        drawn: Axes or a figure that functions of `il.plots` drew on; also your own.

    Returns:
        One or more sentences with the main numbers; empty where nothing of `il.plots` is drawn.

    Raises:
        TypeError: `drawn` is neither axes nor a figure.
    """
    if isinstance(drawn, Axes):
        return _SAID.get(drawn, "")
    if not isinstance(drawn, (Figure, SubFigure)):
        raise TypeError(
            "drawn must be matplotlib axes or a figure, "
            f"got {drawn!r} of type {type(drawn).__name__}."
        )
    return " ".join(_SAID[one] for one in drawn.axes if one in _SAID)
