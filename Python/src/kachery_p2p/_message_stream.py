"""Message streams: frames of ``<decimal byte length>#<JSON>``."""

from __future__ import annotations

import json
from typing import Any, Callable, Dict, Iterator, Optional

from ._errors import Disconnected, ProtocolViolation

MAXIMUM_MESSAGE = 64 << 20  # as the daemon's own limit for a body of JSON
_MAXIMUM_DIGITS = len(str(MAXIMUM_MESSAGE))


def messages(read: Callable[[int], bytes]) -> Iterator[Dict[str, Any]]:
    """Yields the messages of a stream until it ends between two of them.

    ``read(count)`` gives up to ``count`` bytes, at least one unless the stream has ended.
    """
    while True:
        size = _length(read)
        if size is None:
            return
        yield _message(_exactly(read, size))


def _length(read: Callable[[int], bytes]) -> Optional[int]:
    digits = b""
    while True:
        byte = read(1)
        if not byte:
            if digits:
                raise Disconnected("The daemon's answer ended in the middle of a message.")
            return None
        if byte == b"#" and digits:
            break
        if not byte.isdigit() or len(digits) == _MAXIMUM_DIGITS:
            raise ProtocolViolation("The daemon's answer is not a stream of messages.")
        digits += byte
    size = int(digits)
    if size > MAXIMUM_MESSAGE:
        raise ProtocolViolation(f"The daemon announced a message of {size} bytes, which is too large.")
    return size


def _exactly(read: Callable[[int], bytes], count: int) -> bytes:
    parts = []
    while count > 0:
        part = read(count)
        if not part:
            raise Disconnected("The daemon's answer ended in the middle of a message.")
        parts.append(part)
        count -= len(part)
    return b"".join(parts)


def _message(content: bytes) -> Dict[str, Any]:
    try:
        message = json.loads(content)
    except ValueError as error:
        raise ProtocolViolation("The daemon sent a message that is not JSON.") from error
    if not isinstance(message, dict):
        raise ProtocolViolation("The daemon sent a message that is not a JSON object.")
    return message
