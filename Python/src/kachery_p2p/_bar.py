"""The progress of a load in a notebook: a bar below the cell, which stays and names the sources."""

from __future__ import annotations

import sys
from typing import Any


def in_notebook() -> bool:
    """Whether this process is the kernel of a notebook. IPython is not imported if it is not there already."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return getattr(shell, "kernel", None) is not None


class Bar:
    """One bar, which is shown by its first update."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._handle: Any = None

    def update(self, share: float, state: str) -> None:
        """Shows a share in percent, and what is said beside it."""
        from IPython.display import display

        from ._display import text

        content = {
            "text/plain": f"{self._name}: {state}",
            "text/html": f'<div><progress value="{share:.1f}" max="100"></progress> <b>{text(self._name)}</b> '
            f"{text(state)}</div>",
        }
        if self._handle is None:
            self._handle = display(content, raw=True, display_id=True)
        else:
            self._handle.update(content, raw=True)
