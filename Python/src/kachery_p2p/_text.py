"""Text from others, as it is shown."""

from __future__ import annotations


def printable(text: object) -> str:
    """The text with a space for every character that a terminal would obey, or that sets the direction of writing."""
    return "".join(letter if letter.isprintable() else " " for letter in str(text))
