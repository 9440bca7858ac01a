"""The daemon: whether it runs, which storage directory is its, and whether that is seen from here."""

from __future__ import annotations

import json
import os
import threading
import time
from contextlib import contextmanager
from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple

from . import _connections, _environment, _message_stream, _tokens
from ._errors import BadRequest, Forbidden, ProtocolViolation, WrongStorageDirectory
from ._http import Body, Endpoint, parse_object

PROBE_LIFETIME = 10.0  # seconds for which an answer to /probe is taken for the truth
_PROBE_TIMEOUT = 5.0
_CALL_TIMEOUT = 60.0
# The daemon reports progress at least every second while bytes move, and gives up by itself where none do.
_STREAM_TIMEOUT = 300.0
# Storing ends with the daemon's syncing of everything to its disk.
_UPLOAD_TIMEOUT = 600.0

_lock = threading.Lock()
_probes: Dict[_connections.Address, Tuple[float, Dict[str, Any]]] = {}


class Daemon:
    """A daemon that has answered. ``is_remote`` where its storage directory is not seen from here."""

    def __init__(self, endpoint: Endpoint, probe: Dict[str, Any]) -> None:
        self.endpoint = endpoint
        self.node_id: str = probe["nodeId"]
        self.joined_channels: List[Dict[str, Any]] = list(probe.get("joinedChannels") or [])
        self.storage_directory: str = probe["kacheryStorageDir"]
        self.is_remote = False

    @classmethod
    def find(cls, port: Optional[int] = None, host: Optional[str] = None, *, fresh: bool = False) -> "Daemon":
        """The running daemon. Raises ``NoDaemon`` where none answers; ``fresh`` asks it anew in any case."""
        endpoint = find_endpoint(port, host)
        daemon = cls(endpoint, _probe(endpoint, fresh))
        daemon._check_storage_directory()
        return daemon

    def get(self, path: str) -> Dict[str, Any]:
        """Asks for a JSON object."""
        return self._with_token(lambda headers: self.endpoint.json("GET", path, None, headers, timeout=_CALL_TIMEOUT))

    def call(self, path: str, value: Any, *, timeout: float = _CALL_TIMEOUT, repeatable: bool = True) -> Dict[str, Any]:
        """Sends a JSON request and answers the JSON object that comes back."""

        def send(headers: Dict[str, str]) -> Dict[str, Any]:
            return self.endpoint.json("POST", path, value, headers, timeout=timeout, repeatable=repeatable)

        return self._with_token(send)

    def upload(self, path: str, open_body: Callable[[], Body], size: int) -> Dict[str, Any]:
        """Sends ``size`` raw bytes; ``open_body`` gives them from their beginning each time it is called."""

        def send(headers: Dict[str, str]) -> Dict[str, Any]:
            fields = {**headers, "Content-Length": str(size), "Content-Type": "application/octet-stream"}
            with self.endpoint.request("POST", path, open_body(), fields, timeout=_UPLOAD_TIMEOUT) as response:
                return parse_object(response.read())

        return self._with_token(send)

    @contextmanager
    def download(self, path: str, value: Any) -> Iterator[Callable[[int], bytes]]:
        """Sends a JSON request and gives a ``with`` block what reads the bytes of the answer; leaving it hangs up."""
        body = json.dumps(value).encode()
        headers = {**_tokens.headers(self.storage_directory), "Content-Type": "application/json"}
        with self.endpoint.request("POST", path, body, headers, timeout=_STREAM_TIMEOUT) as response:
            yield response.read1

    @contextmanager
    def stream(self, path: str, value: Any) -> Iterator[Iterator[Dict[str, Any]]]:
        """Sends a JSON request and gives its stream of messages to a ``with`` block; leaving it hangs up."""
        with self.download(path, value) as read:
            yield _message_stream.messages(read)

    def _with_token(self, send: Callable[[Dict[str, str]], Dict[str, Any]]) -> Dict[str, Any]:
        try:
            return send(_tokens.headers(self.storage_directory))
        except Forbidden:
            # A daemon that was started anew has a new token at once.
            if not _tokens.renew(self.storage_directory):
                raise
            return send(_tokens.headers(self.storage_directory))

    def _check_storage_directory(self) -> None:
        """The daemon's directory must be the one that the environment names, if it names one, and be seen from here,
        unless the user was given a token for a daemon elsewhere."""
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
            if _environment.token_file() is not None:
                self.is_remote = True
                return
            raise WrongStorageDirectory(
                f"The daemon at {self.endpoint} uses the storage directory {self.storage_directory}, which cannot be "
                f"read here ({error}). Mount it under that name, ask for the permission to read it, or for a token to "
                "name in KACHERY_API_TOKEN_FILE."
            ) from error
        if node_id != self.node_id and _environment.token_file() is not None:
            self.is_remote = True
        elif node_id != self.node_id:
            raise WrongStorageDirectory(
                f"{path} names another node than the daemon at {self.endpoint}: is {self.storage_directory} that of "
                "another machine?"
            )


def find_endpoint(port: Optional[int] = None, host: Optional[str] = None) -> Endpoint:
    """Where the environment says that the daemon listens."""
    endpoint = Endpoint(
        host or _environment.daemon_host(), port or _environment.daemon_port(), _environment.certificate_file()
    )
    if _environment.token_file() is not None and endpoint.address[2] is None and not endpoint.is_this_machine:
        raise BadRequest(
            f"The token for the daemon at {endpoint} would travel in the clear: name its certificate in "
            "KACHERY_API_CERTIFICATE_FILE."
        )
    return endpoint


def _probe(endpoint: Endpoint, fresh: bool) -> Dict[str, Any]:
    with _lock:
        known = _probes.get(endpoint.address)
    if known is not None and not fresh and time.monotonic() - known[0] < PROBE_LIFETIME:
        return known[1]
    answer = endpoint.json("GET", "/probe", timeout=_PROBE_TIMEOUT)
    if not isinstance(answer.get("nodeId"), str) or not isinstance(answer.get("kacheryStorageDir"), str):
        raise ProtocolViolation(f"What answers at {endpoint} is no kachery daemon.")
    with _lock:
        _probes[endpoint.address] = (time.monotonic(), answer)
    return answer


def forget() -> None:
    """Forgets what is known of daemons and tokens, and hangs up."""
    _connections.forget()
    _tokens.forget()
    with _lock:
        _probes.clear()
