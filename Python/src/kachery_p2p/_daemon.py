"""The daemon of this machine: whether it runs, which storage directory is its, and the token that it wants."""

from __future__ import annotations

import json
import os
import threading
import time
from contextlib import contextmanager
from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple

from . import _environment, _message_stream
from ._errors import Forbidden, NoDaemon, PermissionDenied, ProtocolViolation, WrongStorageDirectory
from ._http import Body, Endpoint, parse_object

TOKEN_HEADER = "KACHERY-CLIENT-AUTH-CODE"
PROBE_LIFETIME = 10.0  # seconds for which an answer to /probe is taken for the truth
TOKEN_LIFETIME = 60.0  # seconds; the daemon honors a token for at least two minutes after it was replaced
_PROBE_TIMEOUT = 5.0
_CALL_TIMEOUT = 60.0
# The daemon reports progress at least every second while bytes move, and gives up by itself where none do.
_STREAM_TIMEOUT = 300.0
# Storing ends with the daemon's syncing of everything to its disk.
_UPLOAD_TIMEOUT = 600.0

_lock = threading.Lock()
_probes: Dict[Tuple[str, int], Tuple[float, Dict[str, Any]]] = {}
_tokens: Dict[str, Tuple[float, str]] = {}


class Daemon:
    """A daemon that has answered, and whose storage directory is the one that this machine sees."""

    def __init__(self, endpoint: Endpoint, probe: Dict[str, Any]) -> None:
        self.endpoint = endpoint
        self.node_id: str = probe["nodeId"]
        self.joined_channels: List[Dict[str, Any]] = list(probe.get("joinedChannels") or [])
        self.storage_directory: str = probe["kacheryStorageDir"]

    @classmethod
    def find(cls, port: Optional[int] = None, *, fresh: bool = False) -> "Daemon":
        """The running daemon. Raises ``NoDaemon`` where none answers; ``fresh`` asks it anew in any case."""
        endpoint = Endpoint(_environment.daemon_host(), port or _environment.daemon_port())
        daemon = cls(endpoint, _probe(endpoint, fresh))
        daemon._check_storage_directory()
        return daemon

    def call(self, path: str, value: Any, *, timeout: float = _CALL_TIMEOUT) -> Dict[str, Any]:
        """Sends a JSON request and answers the JSON object that comes back."""
        return self._with_token(lambda headers: self.endpoint.json("POST", path, value, headers, timeout=timeout))

    def upload(self, path: str, open_body: Callable[[], Body], size: int) -> Dict[str, Any]:
        """Sends ``size`` raw bytes; ``open_body`` gives them from their beginning each time it is called."""

        def send(headers: Dict[str, str]) -> Dict[str, Any]:
            fields = {**headers, "Content-Length": str(size), "Content-Type": "application/octet-stream"}
            with self.endpoint.request("POST", path, open_body(), fields, timeout=_UPLOAD_TIMEOUT) as response:
                return parse_object(response.read())

        return self._with_token(send)

    @contextmanager
    def stream(self, path: str, value: Any) -> Iterator[Iterator[Dict[str, Any]]]:
        """Sends a JSON request and gives its stream of messages to a ``with`` block; leaving it hangs up."""
        body = json.dumps(value).encode()
        headers = {TOKEN_HEADER: self._token(), "Content-Type": "application/json"}
        with self.endpoint.request("POST", path, body, headers, timeout=_STREAM_TIMEOUT) as response:
            yield _message_stream.messages(response.read)

    def _with_token(self, send: Callable[[Dict[str, str]], Dict[str, Any]]) -> Dict[str, Any]:
        try:
            return send({TOKEN_HEADER: self._token()})
        except Forbidden:
            # A daemon that was started anew has a new token at once.
            if not self._forget_old_token():
                raise
            return send({TOKEN_HEADER: self._token()})

    def _token(self) -> str:
        with _lock:
            known = _tokens.get(self.storage_directory)
        if known is not None and time.monotonic() - known[0] < TOKEN_LIFETIME:
            return known[1]
        token = _read_token(f"{self.storage_directory}/client-auth")
        with _lock:
            _tokens[self.storage_directory] = (time.monotonic(), token)
        return token

    def _forget_old_token(self) -> bool:
        with _lock:
            _, known = _tokens.pop(self.storage_directory, (0.0, ""))
        return _read_token(f"{self.storage_directory}/client-auth") != known

    def _check_storage_directory(self) -> None:
        """The daemon's directory must be seen from here, and be the one that the environment names, if it names one."""
        named = _environment.storage_directory()
        if named is not None and os.path.realpath(named) != os.path.realpath(self.storage_directory):
            raise WrongStorageDirectory(
                f"KACHERY_STORAGE_DIR is {named}, but the daemon at {self.endpoint} uses {self.storage_directory}. "
                "Set it to that, or dial another daemon."
            )
        path = f"{self.storage_directory}/kachery-node-id"
        try:
            with open(path, encoding="ascii") as file:
                node_id = file.read()
        except (OSError, ValueError) as error:
            raise WrongStorageDirectory(
                f"The daemon at {self.endpoint} uses the storage directory {self.storage_directory}, which cannot be "
                f"read here ({error}). Mount it under that name, or ask for the permission to read it."
            ) from error
        if node_id != self.node_id:
            raise WrongStorageDirectory(
                f"{path} names another node than the daemon at {self.endpoint}: is {self.storage_directory} that of "
                "another machine?"
            )


def _probe(endpoint: Endpoint, fresh: bool) -> Dict[str, Any]:
    key = (endpoint.host, endpoint.port)
    with _lock:
        known = _probes.get(key)
    if known is not None and not fresh and time.monotonic() - known[0] < PROBE_LIFETIME:
        return known[1]
    answer = endpoint.json("GET", "/probe", timeout=_PROBE_TIMEOUT)
    if not isinstance(answer.get("nodeId"), str) or not isinstance(answer.get("kacheryStorageDir"), str):
        raise ProtocolViolation(f"What answers at {endpoint} is no kachery daemon.")
    with _lock:
        _probes[key] = (time.monotonic(), answer)
    return answer


def forget() -> None:
    """Forgets what is known of daemons and tokens."""
    with _lock:
        _probes.clear()
        _tokens.clear()


def _read_token(path: str) -> str:
    try:
        with open(path, encoding="ascii") as file:
            token = file.read()
    except PermissionError as error:
        raise PermissionDenied(
            f"You may not read {path}. Ask whoever runs the daemon to start it with --auth-group and a group of yours."
        ) from error
    except OSError as error:
        raise NoDaemon(f"There is no token in {path} ({error}); is the daemon running?") from error
    if not token:
        raise NoDaemon(f"The token in {path} is empty; is the daemon starting or stopping?")
    return token
