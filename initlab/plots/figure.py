"""What does a figure say to a reader who cannot see it, and how does a notebook show it?

Every drawing function leaves a headline and a sentence with its main numbers on the axes that it
drew on. A figure made here shows as picture *and* text: in a notebook and to a screen reader.
"""

from __future__ import annotations

import base64
import html
import io
import textwrap
from typing import Any, cast
from weakref import WeakKeyDictionary

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from PIL import Image

from initlab.plots.style import FONT, themed

WIDTH = 9.0  # inches of 100 pixels: as wide as JupyterLab's cells on a laptop
HEIGHT = 4.4

# A page that drops styles (GitHub, a notebook that is not trusted) shows the picture on white.
_PAGE = (
    "<style>.initlab-figure{background:none!important}"
    '[data-jp-theme-light="false"] .initlab-figure,[data-theme="dark"] .initlab-figure,'
    ".vscode-dark .initlab-figure{filter:invert(1) hue-rotate(180deg)}</style>"
)
_ALT: WeakKeyDictionary[Axes, str] = WeakKeyDictionary()


class Picture(Figure):
    """A matplotlib figure with a text alternative.

    `repr` (the `text/plain` of a notebook) carries the alternative, so that a notebook test
    compares the numbers of a figure; `text/html` is an `<img>` with the alternative as `alt`. The
    picture is transparent, and a dark page turns its lightness round.
    """

    @property
    def alt(self) -> str:
        """What is to be seen, in words, with the main numbers."""
        return alt_text(self)

    def __repr__(self) -> str:
        width, height = self.get_size_inches() * self.dpi
        count = len([one for one in self.axes if one.get_label() != "<colorbar>"])
        axes = "1 axes" if count == 1 else f"{count} axes"
        return f"<Figure {width:.0f}x{height:.0f}, {axes}>: {self.alt}"

    def _repr_html_(self) -> str:
        return self.shown(self.alt)["text/html"]

    def shown(self, alt: str) -> dict[str, str]:
        """Draw once: `text/html`, with these words as text alternative, and `image/png`."""
        sharp, small = self.pngs()
        data = base64.b64encode(sharp).decode("ascii")
        image = (
            f'<img class="initlab-figure" alt="{html.escape(alt, quote=True)}" '
            f'width="{self.get_figwidth() * self.dpi:.0f}" '
            'style="max-width: 100%; height: auto; background: white" '
            f'src="data:image/png;base64,{data}">'
        )
        return {"text/html": _PAGE + image, "image/png": base64.b64encode(small).decode("ascii")}

    def pngs(self) -> tuple[bytes, bytes]:
        """Draw the figure as PNG with clear paper, at twice its size and at its size."""
        drawn = io.BytesIO()
        self.savefig(drawn, format="png", dpi=2 * self.dpi, facecolor="white", bbox_inches=None)
        image = Image.open(drawn).convert("RGB")
        return _small(image), _small(image.reduce(2))

    def _ipython_display_(self) -> None:
        """Show picture and text once, then let pyplot forget the figure, so it shows no second."""
        from IPython.display import display  # IPython calls this: it is there

        shown = {"text/plain": repr(self), **self.shown(self.alt)}
        display(shown, raw=True)  # type: ignore[no-untyped-call]
        plt.close(self)


def _small(image: Image.Image) -> bytes:
    """Write a picture with at most 256 colours, white as clear: as many shades as that allows."""
    for shades in (18, 16, 14, 12, 10, 8, 6):  # of red, green and blue each
        step = 255 / (shades - 1)
        levels = [round(step * round(value / step)) for value in range(256)]
        few = image.point(levels * 3)
        if few.getcolors(256):
            break
    few = few.quantize(256, dither=Image.Dither.NONE)
    colours = np.reshape(few.getpalette() or [], (-1, 3))
    written = io.BytesIO()
    few.save(written, format="png", optimize=True, transparency=int(colours.sum(axis=1).argmax()))
    return written.getvalue()


@themed()
def picture(width: float = WIDTH, height: float = HEIGHT) -> Picture:
    """Make an empty figure in the house style, whose `.alt` collects what is drawn on it.

    Pyplot knows it, so that a notebook shows it at the end of the cell.

    Args:
        width: Inches; 9 fills a notebook's cell.
        height: Inches.
    """
    made = plt.figure(FigureClass=Picture, figsize=(width, height), dpi=100, layout="constrained")
    return cast(Picture, made)


def tell(drawn: Axes | Figure | SubFigure, said: str, words: str, headline: str | None) -> None:
    """Write the headline, the caller's or else what the numbers say, and the text alternative."""
    shown = said if headline is None else headline
    put_headline(drawn, shown)
    ax = drawn if isinstance(drawn, Axes) else drawn.axes[0]
    add_alt(ax, f"{shown.rstrip('.')}. {words}" if shown else words)


def put_headline(drawn: Axes | Figure | SubFigure, headline: str) -> None:
    """Write what is to be seen above axes or a figure, broken into lines as wide as it."""
    figure = drawn.figure if isinstance(drawn, Axes) else drawn
    alone = not isinstance(drawn, Axes) or len(figure.axes) == 1
    wide = figure.bbox.width * 0.93 if alone else drawn.bbox.width
    most = int(wide / (0.61 * FONT * figure.dpi / 72))  # letters of the bold font
    text = "\n".join(textwrap.wrap(headline, max(most, 18), break_on_hyphens=False))
    look: dict[str, Any] = {"fontsize": FONT, "fontweight": "bold"}
    if isinstance(drawn, Axes):
        drawn.set_title(text, loc="left", **look)
    else:
        drawn.suptitle(text, x=0.01, ha="left", **look)


def add_alt(ax: Axes, sentence: str) -> None:
    """Add a sentence to the text alternative of axes."""
    _ALT[ax] = f"{_ALT.get(ax, '')} {sentence}".strip()


def clear_alt(ax: Axes) -> None:
    """Forget the text alternative of axes that were cleared."""
    _ALT.pop(ax, None)


def alt_text(drawn: Axes | Figure | SubFigure) -> str:
    """Say in words what is to be seen, with the main numbers.

    Args:
        drawn: Axes or a figure, also your own; what `il.plots` did not draw is left out.

    Raises:
        TypeError: `drawn` is neither axes nor a figure.
    """
    if isinstance(drawn, Axes):
        return _ALT.get(drawn, "")
    if not isinstance(drawn, (Figure, SubFigure)):
        raise TypeError(
            "drawn must be matplotlib axes or a figure, "
            f"got {drawn!r} of type {type(drawn).__name__}."
        )
    return " ".join(_ALT[one] for one in drawn.axes if one in _ALT)
