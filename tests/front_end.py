"""Stands in for the browser: hears what an explorer sends, and asks as `explorer.js` asks."""

from __future__ import annotations

import json

import numpy as np


class Browser:
    """Listens to an explorer, and puts the arrays back as `explorer.js` does."""

    def __init__(self, explorer):
        self.explorer, self.heard = explorer, []
        explorer.send = lambda content, buffers: self.heard.append(self.unpacked(content, buffers))

    def unpacked(self, content, buffers):
        floats = np.frombuffer(buffers[0], dtype="<f4")

        def restore(node):
            if list(node) == ["$"]:
                start, length = node["$"]
                return floats[start : start + length].tolist()
            return node

        text = json.dumps(content, allow_nan=False)  # what a strict reader of JSON accepts
        return json.loads(text, object_hook=restore)

    def ask(self, **request):
        self.explorer._handle_custom_msg({"id": "v:1", **request}, [])
        return self.heard[-1]
