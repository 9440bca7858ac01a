"""Requests to the daemon, over the standard library's HTTP client and connections that stay open."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Dict, Iterator, Mapping, Optional, Protocol, Tuple, Union

from . import _connections
from ._errors import Disconnected, KacheryError, NoDaemon, ProtocolViolation, TimedOut, error_for

if TYPE_CHECKING:
    import http.client


class Source(Protocol):
    """What the body of a request is read from."""

    def read(self, count: int = ..., /) -> bytes:
        """Up to ``count`` bytes, none at the end."""


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
_MAXIMUM_ERROR_TEXT = 10_000  # an error is one sentence; what is longer is no daemon's


class Endpoint:
    """Where a daemon listens. ``certificate`` is the file of its certificate, where it speaks TLS."""

    def __init__(self, host: str, port: int, certificate: Optional[str] = None) -> None:
        self.host = host
        self.port = port
        self.certificate = certificate
        self.address: _connections.Address = (host, port, certificate)

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"

    @property
    def is_this_machine(self) -> bool:
        """Whether the daemon is dialled over the loopback."""
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
        headers: Optional[Mapping[str, str]] = None,
        *,
        timeout: float,
        repeatable: bool = True,
    ) -> Iterator["http.client.HTTPResponse"]:
        """Sends a request and gives the answer to a ``with`` block; leaving that before the answer's end hangs up.

        ``timeout`` is the longest silence, in seconds. An answer other than 200 raises with the daemon's sentence. A
        ``repeatable`` request is sent anew where a connection that was kept turns out to be dead.
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
        except socket.timeout as error:
            raise TimedOut(f"The daemon at {self} has not answered {path} for {timeout:g} s.") from error
        except (OSError, http.client.HTTPException) as error:
            raise Disconnected(
                f"The connection to the daemon at {self} broke: {error or type(error).__name__}."
            ) from error
        finally:
            if connection is not None:
                connection.close()
                if response is not None:
                    response.close()  # which holds the socket where the daemon said that it hangs up

    def json(
        self,
        method: str,
        path: str,
        value: Any = None,
        headers: Optional[Mapping[str, str]] = None,
        *,
        timeout: float,
        repeatable: bool = True,
    ) -> Dict[str, Any]:
        """Sends a JSON request and answers the JSON object that comes back."""
        body = None if value is None else json.dumps(value).encode()
        fields = {**(headers or {}), **({} if body is None else {"Content-Type": "application/json"})}
        with self.request(method, path, body, fields, timeout=timeout, repeatable=repeatable) as response:
            return parse_object(response.read())

    def _exchange(
        self, method: str, path: str, body: Body, headers: Dict[str, str], timeout: float, repeatable: bool
    ) -> Tuple["http.client.HTTPConnection", "http.client.HTTPResponse"]:
        kept = _connections.take(self.address)
        if kept is not None:
            kept.sock.settimeout(timeout)
            try:
                return kept, _send(kept, method, path, body, headers)
            except ConnectionError:
                # The daemon closed it just now. What came from a file is gone: only bytes can be sent again.
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

    def _connect(self, timeout: float) -> "http.client.HTTPConnection":
        try:
            return _connections.connect(self.address, timeout)
        except OSError as error:
            if type(error).__name__ == "SSLCertVerificationError":
                raise NoDaemon(
                    f"What answers at {self} does not show the certificate in {self.address[2]} ({error}). Ask the "
                    "daemon's owner for its certificate, and name it in KACHERY_API_CERTIFICATE_FILE."
                ) from error
            raise NoDaemon(
                f"No kachery daemon answers at {self} ({error}). Start one with kachery-p2p-start-daemon, or set "
                "KACHERY_OFFLINE_STORAGE_DIR to work without."
            ) from error


def _send(
    connection: "http.client.HTTPConnection", method: str, path: str, body: Body, headers: Dict[str, str]
) -> "http.client.HTTPResponse":
    try:
        connection.request(method, path, body, headers)
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


def refusal(response: "http.client.HTTPResponse") -> KacheryError:
    """The error that an answer other than 200 tells."""
    code = response.headers.get(ERROR_CODE_HEADER) or _BY_STATUS.get(response.status)
    text = response.read(_MAXIMUM_ERROR_TEXT).decode("utf-8", "replace").strip()
    return error_for(code, text or f"The daemon answered with status {response.status}.")
