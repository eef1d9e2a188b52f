"""How is a message shown, as text and as HTML, on a light and on a dark page?"""

from __future__ import annotations

import re
from dataclasses import dataclass
from html import escape

# Each has a contrast of at least 3 : 1 on white and on JupyterLab's dark background.
GOOD, BAD, OPEN = "#2e8b57", "#d1495b", "#5b7db1"


@dataclass(frozen=True, repr=False)
class Note:
    """Something to read: `text` in a terminal, `html` in a notebook."""

    text: str
    html: str

    def __repr__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        return self.html


def as_html(text: str, *, code: bool = False) -> str:
    """Escape text for HTML; what stands in backticks becomes code, and line ends stay."""
    safe = escape(text.strip("\n") if code else text)
    if code:
        return f"<pre><code>{safe}</code></pre>"
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", safe).replace("\n", "<br>")


def box(colour: str, head: str, body: str) -> str:
    """A coloured bar beside a bold head and a text; the head carries sign and word."""
    return (
        f'<div role="status" style="border-left: 5px solid {colour}; padding: 2px 0 2px 12px; '
        f'margin: 4px 0; max-width: 48em"><strong>{as_html(head)}</strong> {as_html(body)}</div>'
    )
