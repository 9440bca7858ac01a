"""Tokens that admit a client: the one in the daemon's storage directory, or one that the daemon's owner issued."""

from __future__ import annotations

import threading
import time

from . import _environment
from ._errors import Forbidden, KacheryError, NoDaemon, PermissionDenied

TOKEN_HEADER = "KACHERY-CLIENT-AUTH-CODE"
TOKEN_LIFETIME = 60.0  # seconds; the daemon accepts a replaced token for at least two more minutes

_lock = threading.Lock()
_tokens: dict[str, tuple[float, str]] = {}


def headers(storage_directory: str) -> dict[str, str]:
    """The headers that authorize a request to the daemon of this storage directory."""
    given = _environment.token_file()
    if given is not None:
        return {"Authorization": f"Bearer {_token(given)}"}
    return {TOKEN_HEADER: _token(_path(storage_directory))}


def renew(storage_directory: str) -> bool:
    """Reads the token again after a refusal. Returns whether it has changed."""
    path = _environment.token_file() or _path(storage_directory)
    with _lock:
        _, known = _tokens.pop(path, (0.0, ""))
    return _read(path) != known


def forget() -> None:
    """Forgets every token."""
    with _lock:
        _tokens.clear()


def _path(storage_directory: str) -> str:
    return f"{storage_directory}/client-auth"


def _token(path: str) -> str:
    with _lock:
        known = _tokens.get(path)
    if known is not None and time.monotonic() - known[0] < TOKEN_LIFETIME:
        return known[1]
    token = _read(path)
    with _lock:
        _tokens[path] = (time.monotonic(), token)
    return token


def _read(path: str) -> str:
    try:
        with open(path, encoding="ascii") as file:
            token = file.read().strip()
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from error
    if not token or not token.isprintable():
        raise _unreadable(path, "it is empty" if not token else "it contains no token")
    return token


def _unreadable(path: str, reason: object) -> KacheryError:
    if path == _environment.token_file():
        return Forbidden(f"KACHERY_API_TOKEN_FILE is {path}, from which no token could be read: {reason}.")
    if isinstance(reason, PermissionError):
        return PermissionDenied(
            f"You may not read {path}. Ask the daemon's owner to start it with --auth-group and a group of yours."
        )
    return NoDaemon(f"There is no token in {path} ({reason}); is the daemon running, or just starting or stopping?")
