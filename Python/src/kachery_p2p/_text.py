"""Text from others, as it is shown."""

from __future__ import annotations

import os
from typing import Any

from ._errors import BadRequest


def printable(text: object) -> str:
    """The text with a space for every character that a terminal would obey, or that sets the direction of writing."""
    return "".join(letter if letter.isprintable() else " " for letter in str(text))


def path_text(path: Any) -> str:
    """The text of a path or URI that may be a ``pathlib.Path`` or the bytes of a name."""
    try:
        return os.fsdecode(path)
    except TypeError as error:
        raise BadRequest(f"A {type(path).__qualname__} names no file; use text or a pathlib.Path.") from error


def is_text(name: str) -> bool:
    """Whether a name is UTF-8, which the daemon and other nodes require."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
