"""Requests to the daemon, over the standard library's HTTP client: one connection a request."""

from __future__ import annotations

import http.client
import json
import socket
from contextlib import contextmanager
from typing import IO, Any, Dict, Iterator, Mapping, Optional, Union

from ._errors import Disconnected, KacheryError, NoDaemon, ProtocolViolation, TimedOut, error_for

Body = Union[bytes, IO[bytes], None]

_BY_STATUS = {400: "bad_request", 403: "forbidden", 404: "not_found", 413: "too_large", 504: "timed_out"}
_MAXIMUM_ERROR_TEXT = 10_000  # an error is one sentence; what is longer is no daemon's


class Endpoint:
    """Where a daemon listens."""

    def __init__(self, host: str, port: int) -> None:
        self.host = host
        self.port = port

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"

    @contextmanager
    def request(
        self, method: str, path: str, body: Body = None, headers: Optional[Mapping[str, str]] = None, *, timeout: float
    ) -> Iterator[http.client.HTTPResponse]:
        """Sends a request and gives the answer to a ``with`` block, at whose end the connection is closed.

        ``timeout`` is the longest silence, in seconds. An answer other than 200 raises with the daemon's sentence.
        """
        connection = http.client.HTTPConnection(self.host, self.port, timeout=timeout)
        try:
            try:
                connection.connect()
            except OSError as error:
                raise NoDaemon(
                    f"No kachery daemon answers at {self} ({error}). Start one with kachery-p2p-start-daemon, or set "
                    "KACHERY_OFFLINE_STORAGE_DIR to work without."
                ) from error
            response = self._send(connection, method, path, body, headers or {})
            if response.status != 200:
                raise _refusal(response)
            yield response
        except socket.timeout as error:
            raise TimedOut(f"The daemon at {self} has not answered {path} for {timeout:g} s.") from error
        except (OSError, http.client.HTTPException) as error:
            raise Disconnected(
                f"The connection to the daemon at {self} broke: {error or type(error).__name__}."
            ) from error
        finally:
            connection.close()

    def json(
        self, method: str, path: str, value: Any = None, headers: Optional[Mapping[str, str]] = None, *, timeout: float
    ) -> Dict[str, Any]:
        """Sends a JSON request and answers the JSON object that comes back."""
        body = None if value is None else json.dumps(value).encode()
        fields = {**(headers or {}), **({} if body is None else {"Content-Type": "application/json"})}
        with self.request(method, path, body, fields, timeout=timeout) as response:
            return parse_object(response.read())

    @staticmethod
    def _send(
        connection: http.client.HTTPConnection, method: str, path: str, body: Body, headers: Mapping[str, str]
    ) -> http.client.HTTPResponse:
        try:
            connection.request(method, path, body, dict(headers))
        except (BrokenPipeError, ConnectionResetError):
            # A daemon that refuses an upload says so and hangs up before it has read everything.
            if connection.sock is None:
                raise
        return connection.getresponse()


def parse_object(content: bytes) -> Dict[str, Any]:
    """The JSON object that an answer consists of."""
    try:
        value = json.loads(content)
    except ValueError as error:
        raise ProtocolViolation("The daemon's answer is not JSON; is something else listening at its port?") from error
    if not isinstance(value, dict):
        raise ProtocolViolation("The daemon's answer is not a JSON object.")
    return value


def _refusal(response: http.client.HTTPResponse) -> KacheryError:
    text = response.read(_MAXIMUM_ERROR_TEXT).decode("utf-8", "replace").strip()
    return error_for(_BY_STATUS.get(response.status), text or f"The daemon answered with status {response.status}.")
