"""The progress of a load, on standard error."""

from __future__ import annotations

import sys
import time
from typing import Any

from . import _environment
from ._text import printable

_DELAY = 0.5  # seconds before the first line, so that quick loads show none
_INTERVAL = 0.2  # seconds between two lines
_WIDTH = 60


class Progress:
    """Shows the progress of one load in a line that is overwritten, on a terminal and in a notebook only.

    ``KACHERY_QUIET=1`` hides it everywhere. The logger ``kachery_p2p`` gets every report at level DEBUG.
    """

    def __init__(self, uri: str) -> None:
        self._uri = uri
        self._due = time.monotonic() + _DELAY
        self._is_shown = False
        self._shows = not _environment.is_quiet() and _can_overwrite_lines()

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        if self._is_shown:
            print(file=sys.stderr, flush=True)

    def report(self, message: dict[str, Any]) -> None:
        """Shows a progress message from the daemon."""
        loaded, total = int(message.get("bytesLoaded") or 0), int(message.get("bytesTotal") or 0)
        share = 100.0 * loaded / total if total else 100.0
        node = message.get("nodeId")
        source = f" from {node[:8]}" if isinstance(node, str) else ""
        self._show(f"{share:5.1f} %  {_size(loaded)} of {_size(total)}{source}", loaded == total and self._is_shown)

    def report_wait(self, message: dict[str, Any]) -> None:
        """Shows that the load waits because a node serves other peers first."""
        self._show(f"waiting for {str(message.get('nodeId'))[:8]}, which serves others first", False)

    def _show(self, text: str, is_last: bool) -> None:
        import logging

        logging.getLogger("kachery_p2p").debug("%s: %s", printable(self._uri), printable(text))
        now = time.monotonic()
        text = printable(text)
        if self._shows and (now >= self._due or is_last):
            print(f"\r{text:<{_WIDTH}}", end="", file=sys.stderr, flush=True)
            self._due = now + _INTERVAL
            self._is_shown = True


def _can_overwrite_lines() -> bool:
    """Whether standard error is a terminal, or the output of a notebook's cell."""
    if sys.stderr is None:
        return False
    return sys.stderr.isatty() or type(sys.stderr).__module__.startswith("ipykernel")


def _size(count: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.1f} {unit}" if unit != "B" else f"{count:.0f} B"
        count /= 1000
    return f"{count:.1f} TB"
