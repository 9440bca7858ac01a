"""Message streams: frames of ``<decimal byte length>#<JSON>``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Callable

from ._errors import Disconnected, ProtocolViolation

MAXIMUM_MESSAGE = 64 << 20  # bytes; the daemon's own limit for a JSON body
_MAXIMUM_DIGITS = len(str(MAXIMUM_MESSAGE))
_BLOCK = 64 << 10


def messages(read: Callable[[int], bytes]) -> Iterator[dict[str, Any]]:
    """Yields the messages of a stream. Raises if the stream ends in the middle of one.

    ``read(count)`` returns up to ``count`` bytes, and none only at the end of the stream.
    """
    buffer = bytearray()
    while True:
        size = _take_length(buffer)
        if size is not None:
            while len(buffer) < size:
                buffer += _more(read)
            content = bytes(buffer[:size])
            del buffer[:size]
            yield _message(content)
            continue
        block = read(_BLOCK)
        if not block:
            if buffer:
                raise Disconnected("The daemon's answer ended in the middle of a message.")
            return
        buffer += block


def _take_length(buffer: bytearray) -> int | None:
    """Removes the length of the next message from the buffer; ``None`` if it is not complete yet."""
    end = buffer.find(b"#", 0, _MAXIMUM_DIGITS + 1)
    digits = bytes(buffer[: _MAXIMUM_DIGITS + 1] if end < 0 else buffer[:end])
    is_too_long = len(digits) > _MAXIMUM_DIGITS
    if is_too_long or (digits and not digits.isdigit()) or (end == 0):
        raise ProtocolViolation("The daemon's answer is not a stream of messages.")
    if end < 0:
        return None
    size = int(digits)
    if size > MAXIMUM_MESSAGE:
        raise ProtocolViolation(
            f"The daemon announced a message of {size} bytes, which exceeds the limit of {MAXIMUM_MESSAGE}."
        )
    del buffer[: end + 1]
    return size


def _more(read: Callable[[int], bytes]) -> bytes:
    block = read(_BLOCK)
    if not block:
        raise Disconnected("The daemon's answer ended in the middle of a message.")
    return block


def _message(content: bytes) -> dict[str, Any]:
    try:
        message = json.loads(content)
    except ValueError as error:
        raise ProtocolViolation("The daemon sent a message that is not JSON.") from error
    if not isinstance(message, dict):
        raise ProtocolViolation("The daemon sent a message that is not a JSON object.")
    return message
