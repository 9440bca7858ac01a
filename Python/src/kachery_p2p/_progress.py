"""How far a load has come, on standard error."""

from __future__ import annotations

import logging
import sys
import time
from typing import Any, Dict

log = logging.getLogger("kachery_p2p")
_INTERVAL = 0.2  # seconds between two lines on a terminal


class Progress:
    """Shows one load: a line that is written over on a terminal, entries of the log elsewhere."""

    def __init__(self, uri: str) -> None:
        self._uri = uri
        self._shown = 0.0
        self._is_terminal = sys.stderr is not None and sys.stderr.isatty()

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *_: object) -> None:
        if self._shown and self._is_terminal:
            print(file=sys.stderr)

    def report(self, message: Dict[str, Any]) -> None:
        """Shows a progress message of the daemon's."""
        loaded, total = int(message.get("bytesLoaded") or 0), int(message.get("bytesTotal") or 0)
        share = 100.0 * loaded / total if total else 100.0
        node = message.get("nodeId")
        source = f" from {node[:8]}" if isinstance(node, str) else ""
        text = f"{share:5.1f} %  {_size(loaded)} of {_size(total)}{source}"
        log.debug("%s: %s", self._uri, text)
        if self._is_terminal and (loaded == total or time.monotonic() - self._shown >= _INTERVAL):
            print(f"\r{text:<60}", end="", file=sys.stderr, flush=True)
            self._shown = time.monotonic()


def _size(count: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.1f} {unit}" if unit != "B" else f"{count:.0f} B"
        count /= 1000
    return f"{count:.1f} TB"
