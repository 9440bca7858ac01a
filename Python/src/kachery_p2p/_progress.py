"""The progress of a load: a line on standard error, or a bar in a notebook."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterable
from typing import Any
from urllib.parse import unquote

from . import _environment
from ._bar import Bar, in_notebook
from ._text import printable

_DELAY = 0.5  # seconds before the first line, so that quick loads show none
_INTERVAL = 0.2  # seconds between two lines
_WIDTH = 60
_FOLDER_WIDTH = 76
_MOST_SOURCES = 8  # that are named
_PERIOD = 5.0  # seconds; the rate is that of the last one or two periods


class Progress:
    """Shows the progress of one load in a line that is overwritten on a terminal, and as a bar in a notebook.

    ``KACHERY_QUIET=1`` hides it everywhere. The logger ``kachery_p2p`` gets every report at level DEBUG.
    """

    def __init__(self, uri: str) -> None:
        self._uri = uri
        self._due = time.monotonic() + _DELAY
        self._is_shown = False
        self._bar = Bar(_name(uri)) if not _environment.is_quiet() and in_notebook() else None
        self._shows = not _environment.is_quiet() and (self._bar is not None or _can_overwrite_lines())
        self._share = 0.0
        self._amount = ""
        self._begin = time.monotonic()
        self._sources: list[str] = []

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, failure: object, *_: object) -> None:
        if self._bar is not None and self._is_shown:
            self._bar.update(self._share, self._outcome(is_whole=failure is None))
        elif self._is_shown:
            print(file=sys.stderr, flush=True)

    def _outcome(self, is_whole: bool) -> str:
        """What stays below the cell."""
        if not is_whole:
            return f"{self._share:.1f} %, not loaded completely"
        sources = ", ".join(self._sources)
        return f"{self._amount} loaded in {time.monotonic() - self._begin:.1f} s" + (
            f" from {sources}" if sources else ""
        )

    def note_source(self, message: dict[str, Any]) -> None:
        """Notes the node that sent the latest bytes."""
        node = message.get("nodeId")
        if isinstance(node, str) and node[:8] not in self._sources and len(self._sources) < _MOST_SOURCES:
            self._sources.append(node[:8])

    def report(self, message: dict[str, Any]) -> None:
        """Shows a progress message from the daemon."""
        loaded, total = int(message.get("bytesLoaded") or 0), int(message.get("bytesTotal") or 0)
        share = 100.0 * loaded / total if total else 100.0
        node = message.get("nodeId")
        source = f" from {node[:8]}" if isinstance(node, str) else ""
        self.note_source(message)
        self._share, self._amount = share, _size(total)
        self._show(f"{share:5.1f} %  {_size(loaded)} of {_size(total)}{source}", loaded == total and self._is_shown)

    def report_wait(self, message: dict[str, Any]) -> None:
        """Shows that the load waits because a node serves other peers first."""
        self._show(f"waiting for {str(message.get('nodeId'))[:8]}, which serves others first", False)

    def _show(self, text: str, is_last: bool, width: int = _WIDTH) -> None:
        import logging

        logging.getLogger("kachery_p2p").debug("%s: %s", printable(self._uri), printable(text))
        now = time.monotonic()
        text = printable(text)
        if self._shows and (now >= self._due or is_last):
            if self._bar is not None:
                self._bar.update(self._share, text.strip())
            else:
                print(f"\r{text:<{width}}", end="", file=sys.stderr, flush=True)
            self._due = now + _INTERVAL
            self._is_shown = True


class FolderProgress(Progress):
    """Shows the progress of a folder's files, which are loaded by several threads, in one line over all of them."""

    def __init__(self, uri: str, sizes: Iterable[int]) -> None:
        super().__init__(uri)
        sizes = list(sizes)
        self._files, self._total = len(sizes), sum(sizes)
        self._amount = f"{_size(self._total)} in {self._files} files"
        self._ended = self._bytes = 0
        self._loading: dict[FileOfFolder, int] = {}
        self._lock = threading.Lock()
        self._earlier = self._later = (time.monotonic(), 0)

    def __enter__(self) -> FolderProgress:
        return self

    def has(self, size: int) -> None:
        """Notes that a file of this size is here."""
        with self._lock:
            self._ended += 1
            self._bytes += size
            self._show_all()

    def note(self, file: FileOfFolder, loaded: int) -> None:
        """Notes how many bytes of a file have arrived; none once it has ended."""
        with self._lock:
            if loaded:
                self._loading[file] = loaded
            else:
                self._loading.pop(file, None)
            self._show_all()

    def note_wait(self, message: dict[str, Any]) -> None:
        """Shows that a file waits."""
        with self._lock:
            self.report_wait(message)

    def _show_all(self) -> None:
        loaded, now = self._bytes + sum(self._loading.values()), time.monotonic()
        if now - self._later[0] >= _PERIOD:
            self._earlier, self._later = self._later, (now, loaded)
        is_whole = self._ended == self._files
        seconds, arrived = now - self._earlier[0], loaded - self._earlier[1]
        left = ""
        if not is_whole and arrived > 0 and self._total > loaded:
            left = f"  {_time((self._total - loaded) * seconds / arrived)} left"
        # What a document says about sizes need not be true.
        share = self._share = 100.0 if is_whole else min(99.9, 100.0 * loaded / self._total if self._total else 0.0)
        text = f"{share:5.1f} %  {_size(loaded)} of {_size(self._total)}  {self._ended} of {self._files} files{left}"
        self._show(text, is_whole and self._is_shown, _FOLDER_WIDTH)


class FileOfFolder(Progress):
    """The progress of one file of a folder, shown as a part of the folder's."""

    def __init__(self, folder: FolderProgress) -> None:
        super().__init__("")
        self._folder = folder

    def __exit__(self, *_: object) -> None:
        self._folder.note(self, 0)

    def report(self, message: dict[str, Any]) -> None:
        """Shows a progress message from the daemon."""
        self._folder.note_source(message)
        self._folder.note(self, int(message.get("bytesLoaded") or 0))

    def report_wait(self, message: dict[str, Any]) -> None:
        """Shows that the load waits because a node serves other peers first."""
        self._folder.note_wait(message)


def _name(uri: str) -> str:
    """The end of a URI, by which people know it."""
    place = uri.partition("?")[0].partition("://")[2]
    return unquote(place.partition("/")[2] or place.partition(".")[2] or place[:8])


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


def _time(seconds: float) -> str:
    minutes, rest = divmod(int(seconds + 0.999), 60)
    return f"{minutes}:{rest:02}" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02} min"
