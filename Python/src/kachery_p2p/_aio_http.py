"""One JSON call over asyncio streams, so that waiting needs no thread."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import io
import json
from typing import Any, Callable, TypeVar

from . import _tokens
from ._daemon import Daemon
from ._errors import Disconnected, Forbidden, KacheryError, TimedOut
from ._http import Endpoint, parse_object, refusal
from ._place import require_daemon

T = TypeVar("T")

_PATIENCE = 30.0  # seconds that an answer may take beyond the time that the daemon may wait
_MAXIMUM_ANSWER = 256 << 20  # bytes


async def to_thread(function: Callable[..., T], *arguments: Any, **options: Any) -> T:
    """The result of a function, which runs on a thread; ``asyncio`` has this from Python 3.9 on."""
    run = functools.partial(contextvars.copy_context().run, function, *arguments, **options)
    return await asyncio.get_running_loop().run_in_executor(None, run)


async def call(path: str, value: Any, wait: float) -> dict[str, Any]:
    """Sends a JSON request, which the daemon may take ``wait`` seconds to answer. Returns the JSON object."""
    daemon = await to_thread(require_daemon, "A feed")
    if daemon.endpoint.certificate is not None:
        # The synchronous client checks certificates. A daemon on another machine has few waiting tasks.
        return await to_thread(daemon.call, path, value, timeout=wait + _PATIENCE)
    try:
        return await _exchange(daemon, path, value, wait + _PATIENCE)
    except Forbidden:
        if not await to_thread(_tokens.renew, daemon.storage_directory):
            raise
        return await _exchange(daemon, path, value, wait + _PATIENCE)


async def _exchange(daemon: Daemon, path: str, value: Any, timeout: float) -> dict[str, Any]:
    headers = await to_thread(_tokens.headers, daemon.storage_directory)
    request = _request(daemon.endpoint, path, json.dumps(value).encode(), headers)
    try:
        return _parse(await asyncio.wait_for(_round_trip(daemon.endpoint, request), timeout))
    except asyncio.TimeoutError as error:
        raise TimedOut(f"The daemon at {daemon.endpoint} did not answer {path} within {timeout:g} s.") from error
    except KacheryError:
        raise
    except OSError as error:
        raise Disconnected(f"The connection to the daemon at {daemon.endpoint} broke: {error}.") from error


async def _round_trip(endpoint: Endpoint, request: bytes) -> bytes:
    reader, writer = await asyncio.open_connection(endpoint.host, endpoint.port)
    try:
        writer.write(request)
        await writer.drain()
        answer = bytearray()
        while block := await reader.read(1 << 16):
            answer += block
            if len(answer) > _MAXIMUM_ANSWER:
                raise Disconnected(f"The daemon at {endpoint} answered with more than {_MAXIMUM_ANSWER} bytes.")
        return bytes(answer)
    finally:
        writer.close()


def _request(endpoint: Endpoint, path: str, body: bytes, headers: dict[str, str]) -> bytes:
    fields = {
        "Host": str(endpoint),
        "Connection": "close",
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        **headers,
    }
    head = "".join(f"{name}: {text}\r\n" for name, text in fields.items())
    return f"POST {path} HTTP/1.1\r\n{head}\r\n".encode("ascii") + body


def _parse(answer: bytes) -> dict[str, Any]:
    import http.client

    response = http.client.HTTPResponse(_Received(answer), method="POST")  # type: ignore[arg-type]
    try:
        response.begin()
        if response.status != 200:
            raise refusal(response)
        return parse_object(response.read())
    except http.client.HTTPException as error:
        raise Disconnected(f"The daemon's answer was cut short: {type(error).__name__}.") from error
    finally:
        response.close()


class _Received:
    """A complete answer that looks like the socket from which the standard library's parser reads."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def makefile(self, _: str) -> io.BufferedIOBase:
        return io.BytesIO(self._content)
