"""Requests to the daemon, through the standard library's HTTP client and persistent connections."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol, Union

from . import _connections, _environment
from ._errors import BadRequest, Disconnected, KacheryError, NoDaemon, ProtocolViolation, TimedOut, error_for

if TYPE_CHECKING:
    import http.client


class Source(Protocol):
    """The source of a request's body."""

    def read(self, count: int = ..., /) -> bytes:
        """Returns up to ``count`` bytes, and none at the end."""


Body = Union[bytes, Source, None]

ERROR_CODE_HEADER = "KACHERY-ERROR-CODE"
_BY_STATUS = {
    400: "bad_request",
    401: "forbidden",
    403: "forbidden",
    404: "not_found",
    413: "too_large",
    504: "timed_out",
}
_MAXIMUM_ERROR_TEXT = 10_000  # bytes; a daemon's errors are far shorter


class Endpoint:
    """Where a daemon listens. ``certificate`` is the file with its certificate, if it uses TLS."""

    def __init__(self, host: str, port: int, certificate: str | None = None) -> None:
        self.host = host
        self.port = port
        self.certificate = certificate
        self.address: _connections.Address = (host, port, certificate)

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"

    @property
    def is_this_machine(self) -> bool:
        """Whether this is a loopback address."""
        if self.host == "localhost":
            return True
        import ipaddress

        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @contextmanager
    def request(
        self,
        method: str,
        path: str,
        body: Body = None,
        headers: Mapping[str, str] | None = None,
        *,
        timeout: float,
        repeatable: bool = True,
    ) -> Iterator[http.client.HTTPResponse]:
        """Sends a request. The ``with`` block gets the answer; leaving the block before the answer's end hangs up.

        ``timeout`` is the longest silence, in seconds. A status other than 200 raises an error with the daemon's
        message. A ``repeatable`` request is sent again if a persistent connection turns out to be dead.
        """
        import http.client
        import socket

        connection = response = None
        try:
            connection, response = self._exchange(method, path, body, dict(headers or {}), timeout, repeatable)
            if response.status != 200:
                raise refusal(response)
            yield response
            if response.isclosed() and not response.will_close:
                _connections.keep(self.address, connection)
                connection = None
        except KacheryError:
            raise
        except socket.timeout as error:
            raise TimedOut(f"The daemon at {self} did not answer {path} within {timeout:g} s.") from error
        except (OSError, http.client.HTTPException) as error:
            raise Disconnected(
                f"The connection to the daemon at {self} broke: {error or type(error).__name__}."
            ) from error
        finally:
            if connection is not None:
                connection.close()
                if response is not None:
                    response.close()  # it owns the socket if the daemon announced that it would close the connection

    def json(
        self,
        method: str,
        path: str,
        value: Any = None,
        headers: Mapping[str, str] | None = None,
        *,
        timeout: float,
        repeatable: bool = True,
    ) -> dict[str, Any]:
        """Sends a JSON request and returns the JSON object that the daemon answers."""
        try:
            body = None if value is None else json.dumps(value).encode()
        except RecursionError as error:
            raise BadRequest("This cannot be sent as JSON: its lists or dicts are nested too deeply.") from error
        fields = {**(headers or {}), **({} if body is None else {"Content-Type": "application/json"})}
        with self.request(method, path, body, fields, timeout=timeout, repeatable=repeatable) as response:
            return parse_object(response.read())

    def _exchange(
        self, method: str, path: str, body: Body, headers: dict[str, str], timeout: float, repeatable: bool
    ) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
        kept = _connections.take(self.address)
        if kept is not None:
            kept.sock.settimeout(timeout)
            try:
                return kept, _send(kept, method, path, body, headers)
            except ConnectionError:
                # The daemon has just closed it. A body that was read from a file cannot be sent again; bytes can.
                kept.close()
                if not repeatable or not (body is None or isinstance(body, bytes)):
                    raise
            except BaseException:
                kept.close()
                raise
        connection = self._connect(timeout)
        try:
            return connection, _send(connection, method, path, body, headers)
        except BaseException:
            connection.close()
            raise

    def _connect(self, timeout: float) -> http.client.HTTPConnection:
        try:
            return _connections.connect(self.address, timeout)
        except OSError as error:
            if type(error).__name__ == "SSLCertVerificationError":
                raise NoDaemon(
                    f"The server at {self} does not have the certificate in {self.address[2]} ({error}). Ask the "
                    "daemon's owner for its certificate, and name its file in KACHERY_API_CERTIFICATE_FILE."
                ) from error
            raise NoDaemon(f"No kachery daemon answers at {self} ({error}). {self._remedy}") from error

    @property
    def _remedy(self) -> str:
        if not self.is_this_machine and (self.certificate is None or _environment.token_file() is None):
            return (
                "To use a daemon on another machine, its owner starts it with --api-listen and gives you a token and a "
                "certificate; name their files in KACHERY_API_TOKEN_FILE and KACHERY_API_CERTIFICATE_FILE. Otherwise "
                "correct KACHERY_P2P_API_HOST or KACHERY_DAEMON_HOST."
            )
        return "Start one with kachery-p2p-start-daemon, or set KACHERY_OFFLINE_STORAGE_DIR to work without one."


def _send(
    connection: http.client.HTTPConnection, method: str, path: str, body: Body, headers: dict[str, str]
) -> http.client.HTTPResponse:
    try:
        connection.request(method, path, body, headers)
    except (BrokenPipeError, ConnectionResetError):
        # A daemon that refuses an upload answers and closes the connection before it has read everything.
        if connection.sock is None:
            raise
    return connection.getresponse()


def parse_object(content: bytes) -> dict[str, Any]:
    """Parses an answer, which must be a JSON object."""
    try:
        value = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise ProtocolViolation("The daemon's answer is not JSON; is something else listening at its port?") from error
    if not isinstance(value, dict):
        raise ProtocolViolation("The daemon's answer is not a JSON object.")
    return value


def refusal(response: http.client.HTTPResponse) -> KacheryError:
    """The error that an answer with a status other than 200 reports."""
    code = response.headers.get(ERROR_CODE_HEADER) or _BY_STATUS.get(response.status)
    text = response.read(_MAXIMUM_ERROR_TEXT).decode("utf-8", "replace").strip()
    return error_for(code, text or f"The daemon answered with status {response.status}.")
