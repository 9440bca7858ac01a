"""What a folder lists and a daemon cannot give, in every way that this happens."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Callable, Dict, Iterator

import kachery_p2p as kp
import pytest
from stand_in import StandIn

VECTORS = json.loads((Path(__file__).parents[2] / "Tests/Vectors/error-codes.json").read_text())
CODES = [entry["code"] for entry in VECTORS]


def frame(message: Dict[str, Any]) -> bytes:
    """A message as a daemon sends it in a stream."""
    content = json.dumps(message).encode()
    return f"{len(content)}#".encode() + content


PROGRESS = frame({"type": "progress", "bytesLoaded": 10, "bytesTotal": 20})


def answers(content: bytes) -> Callable[[StandIn], None]:
    return lambda daemon: daemon.answer("/loadFile", content)


def refuses(code: str) -> Callable[[StandIn], None]:
    return answers(frame({"type": "error", "error": f"It is {code}. Do this.", "code": code}))


# Each loses what is not in the storage directory, and is followed by the code that has to be named.
WAYS: Dict[str, Any] = {
    "nobody online": (refuses("no_member_online"), "no_member_online"),
    "the source lost half-way": (answers(PROGRESS), "disconnected"),
    "the answer torn": (answers(PROGRESS[:-3]), "disconnected"),
    "the daemon gone": (StandIn.stop, "no_daemon"),
}


class Share:
    """A daemon's storage directory, files that are stored in it and files that are lost from it."""

    def __init__(self, daemon: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
        self.daemon = daemon
        self._monkeypatch = monkeypatch

    def store(self, store: Callable[[], str]) -> str:
        """Stores without asking the daemon."""
        with self._monkeypatch.context() as patch:
            patch.setenv("KACHERY_OFFLINE_STORAGE_DIR", str(self.daemon.directory))
            return store()

    def path(self, sha1: str) -> Path:
        """Where a file is stored."""
        return self.daemon.directory / "sha1" / sha1[:2] / sha1[2:4] / sha1[4:6] / sha1

    def hashes(self, folder: str) -> Dict[str, str]:
        """The hash of every file below a folder, by its path."""
        content = kp.read_dir(folder, strict=True)
        assert content is not None
        return dict(_hashes(content, ""))

    def lose(self, *hashes: str) -> None:
        """Removes stored files."""
        for sha1 in set(hashes):
            self.path(sha1).unlink()


def _hashes(folder: Dict[str, Any], prefix: str) -> Iterator[Any]:
    for name, file in folder["files"].items():
        yield prefix + name, file["sha1"]
    for name, inner in folder["dirs"].items():
        yield from _hashes(inner, f"{prefix}{name}/")


def said(call: Callable[[], Any]) -> kp.KacheryError:
    """The error of ours that a call raises, perhaps as the cause of another library's."""
    with pytest.raises(Exception) as failure:
        call()
    error: Any = failure.value
    while error is not None and not isinstance(error, kp.KacheryError):
        assert not isinstance(error, (FileNotFoundError, KeyError)), f"this is taken for absence: {error!r}"
        error = error.__cause__
    assert error is not None, repr(failure.value)
    assert not isinstance(error, (OSError, LookupError))
    return error
