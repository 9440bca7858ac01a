"""Files that a folder lists and a daemon cannot provide, for every reason."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable

import pytest

import kachery_p2p as kp
from stand_in import StandIn, frames
from storage_layout import read_folder, stored_path

VECTORS = json.loads((Path(__file__).parents[2] / "Tests/Vectors/error-codes.json").read_text())
CODES = [entry["code"] for entry in VECTORS]


PROGRESS = frames({"type": "progress", "bytesLoaded": 10, "bytesTotal": 20})


def answers(content: bytes) -> Callable[[StandIn], None]:
    return lambda daemon: daemon.answer("/loadFile", content)


def refuses(code: str) -> Callable[[StandIn], None]:
    return answers(frames({"type": "error", "error": f"It is {code}. Do this.", "code": code}))


# Ways to lose the files that are not in the storage directory, and the code of the error that must follow.
WAYS: dict[str, Any] = {
    "nobody online": (refuses("no_member_online"), "no_member_online"),
    "the source lost half-way": (answers(PROGRESS), "disconnected"),
    "the answer torn": (answers(PROGRESS[:-3]), "disconnected"),
    "the daemon gone": (StandIn.stop, "no_daemon"),
}


class Share:
    """A daemon's storage directory, from which files can be lost."""

    def __init__(self, daemon: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
        self.daemon = daemon
        self._monkeypatch = monkeypatch

    def store(self, store: Callable[[], str]) -> str:
        """Stores without asking the daemon."""
        with self._monkeypatch.context() as patch:
            patch.setenv("KACHERY_OFFLINE_STORAGE_DIR", str(self.daemon.directory))
            return store()

    def path(self, sha1: str) -> Path:
        """The path of a stored file."""
        return stored_path(self.daemon.directory, sha1)

    def hashes(self, folder: str) -> dict[str, str]:
        """The hash of every file below a folder, by its path."""
        return dict(_hashes(read_folder(folder), ""))

    def lose(self, *hashes: str) -> None:
        """Removes stored files."""
        for sha1 in set(hashes):
            self.path(sha1).unlink()


def _hashes(folder: dict[str, Any], prefix: str) -> Iterator[Any]:
    for name, file in folder["files"].items():
        yield prefix + name, file["sha1"]
    for name, inner in folder["dirs"].items():
        yield from _hashes(inner, f"{prefix}{name}/")


def said(call: Callable[[], Any]) -> kp.KacheryError:
    """The ``KacheryError`` that a call raises, possibly as the cause of another library's error."""
    with pytest.raises(Exception) as failure:  # noqa: PT011
        call()
    error: Any = failure.value
    while error is not None and not isinstance(error, kp.KacheryError):
        assert not isinstance(error, (FileNotFoundError, KeyError)), f"libraries take this for absence: {error!r}"
        error = error.__cause__
    assert error is not None, repr(failure.value)
    assert not isinstance(error, (OSError, LookupError))
    return error
