"""The daemon: whether it runs, which storage directory it uses, and whether this process can read that directory."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Callable

from . import _connections, _environment, _message_stream, _tokens
from ._errors import BadRequest, Forbidden, ProtocolViolation, WrongStorageDirectory
from ._http import Body, Endpoint, parse_object

PROBE_LIFETIME = 10.0  # seconds for which an answer to /probe is reused
_PROBE_TIMEOUT = 5.0
_CALL_TIMEOUT = 60.0
# The daemon reports progress at least once a second while bytes arrive, and gives up on its own when none do.
_STREAM_TIMEOUT = 300.0
# The daemon answers an upload only after it has synced everything to disk.
_UPLOAD_TIMEOUT = 600.0

_lock = threading.Lock()
_probes: dict[_connections.Address, tuple[float, dict[str, Any]]] = {}


class Daemon:
    """A daemon that has answered. ``is_remote`` is true if this process cannot read its storage directory."""

    def __init__(self, endpoint: Endpoint, probe: dict[str, Any]) -> None:
        self.endpoint = endpoint
        self.node_id: str = probe["nodeId"]
        self.storage_directory: str = probe["kacheryStorageDir"]
        self.is_remote = False

    @classmethod
    def find(cls, port: int | None = None, host: str | None = None, *, fresh: bool = False) -> Daemon:
        """The running daemon; ``fresh`` ignores a recent answer. Raises ``NoDaemon`` if there is none."""
        endpoint = find_endpoint(port, host)
        daemon = cls(endpoint, _probe(endpoint, fresh))
        daemon._check_storage_directory()
        return daemon

    def channels(self) -> list[dict[str, Any]]:
        """The channels that this node has joined, which are named only to those with the token."""
        return list(self.get("/probe").get("joinedChannels") or [])

    def get(self, path: str) -> dict[str, Any]:
        """Returns a JSON object from the daemon."""
        return self._with_token(lambda headers: self.endpoint.json("GET", path, None, headers, timeout=_CALL_TIMEOUT))

    def call(self, path: str, value: Any, *, timeout: float = _CALL_TIMEOUT, repeatable: bool = True) -> dict[str, Any]:
        """Sends a JSON request and returns the JSON object that the daemon answers."""

        def send(headers: dict[str, str]) -> dict[str, Any]:
            return self.endpoint.json("POST", path, value, headers, timeout=timeout, repeatable=repeatable)

        return self._with_token(send)

    def upload(self, path: str, open_body: Callable[[], Body], size: int, name: str = "") -> dict[str, Any]:
        """Sends ``size`` raw bytes. Each call of ``open_body`` returns them from the beginning.

        The daemon lists the file under ``name``.
        """

        def send(headers: dict[str, str]) -> dict[str, Any]:
            fields = {**headers, "Content-Length": str(size), "Content-Type": "application/octet-stream"}
            if name:
                from urllib.parse import quote

                fields["X-Kachery-Name"] = quote(name, errors="replace")
            with self.endpoint.request("POST", path, open_body(), fields, timeout=_UPLOAD_TIMEOUT) as response:
                return parse_object(response.read())

        return self._with_token(send)

    @contextmanager
    def download(self, path: str, value: Any) -> Iterator[Callable[[int], bytes]]:
        """Sends a JSON request. The ``with`` block gets a function that reads the answer; leaving it hangs up."""
        body = json.dumps(value).encode()
        headers = {**_tokens.headers(self.storage_directory), "Content-Type": "application/json"}
        with self.endpoint.request("POST", path, body, headers, timeout=_STREAM_TIMEOUT) as response:
            yield response.read1

    @contextmanager
    def stream(self, path: str, value: Any) -> Iterator[Iterator[dict[str, Any]]]:
        """Sends a JSON request. The ``with`` block gets the messages of the answer; leaving the block hangs up."""
        with self.download(path, value) as read:
            yield _message_stream.messages(read)

    def _with_token(self, send: Callable[[dict[str, str]], dict[str, Any]]) -> dict[str, Any]:
        try:
            return send(_tokens.headers(self.storage_directory))
        except Forbidden:
            # A restarted daemon has a new token.
            if not _tokens.renew(self.storage_directory):
                raise
            return send(_tokens.headers(self.storage_directory))

    def _check_storage_directory(self) -> None:
        """Checks that the daemon uses the directory that the environment names, and that this process can read it.

        A user who has a token for a daemon on another machine needs no access to its directory.
        """
        named = _environment.storage_directory()
        if named is not None and os.path.realpath(named) != os.path.realpath(self.storage_directory):
            raise WrongStorageDirectory(
                f"KACHERY_STORAGE_DIR is {named}, but the daemon at {self.endpoint} uses {self.storage_directory}. "
                "Set it to that directory, or choose another daemon."
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
                f"read here ({error}). Mount it under that name, or ask the daemon's owner for permission to read it, "
                "or for a token whose file KACHERY_API_TOKEN_FILE then names."
            ) from error
        if node_id != self.node_id and _environment.token_file() is not None:
            self.is_remote = True
        elif node_id != self.node_id:
            raise WrongStorageDirectory(
                f"{path} does not name the node of the daemon at {self.endpoint}. Does {self.storage_directory} "
                "belong to another machine?"
            )


def find_endpoint(port: int | None = None, host: str | None = None) -> Endpoint:
    """Where the daemon listens, according to the environment."""
    endpoint = Endpoint(
        host or _environment.daemon_host(), port or _environment.daemon_port(), _environment.certificate_file()
    )
    if _environment.token_file() is not None and endpoint.address[2] is None and not endpoint.is_this_machine:
        raise BadRequest(
            f"The token for the daemon at {endpoint} would be sent unencrypted. Name the daemon's certificate in "
            "KACHERY_API_CERTIFICATE_FILE."
        )
    return endpoint


def _probe(endpoint: Endpoint, fresh: bool) -> dict[str, Any]:
    with _lock:
        known = _probes.get(endpoint.address)
    if known is not None and not fresh and time.monotonic() - known[0] < PROBE_LIFETIME:
        return known[1]
    answer = endpoint.json("GET", "/probe", timeout=_PROBE_TIMEOUT)
    if not isinstance(answer.get("nodeId"), str) or not isinstance(answer.get("kacheryStorageDir"), str):
        raise ProtocolViolation(f"The server at {endpoint} is not a kachery daemon.")
    with _lock:
        _probes[endpoint.address] = (time.monotonic(), answer)
    return answer


def forget() -> None:
    """Forgets daemons and tokens, and closes this thread's connections."""
    _connections.forget()
    _tokens.forget()
    with _lock:
        _probes.clear()
