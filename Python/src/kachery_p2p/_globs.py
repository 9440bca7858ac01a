"""Patterns for paths below a folder, as in rsync and .gitignore files. The commands follow the same rules."""

from __future__ import annotations

import re

_SPECIAL = re.compile(
    r"(?P<folders>(?:(?<=/)|\A)\*\*+/)|(?P<all>\*\*+)|(?P<some>\*)|(?P<any>\?)|(?P<escaped>\\.)"
    r"|(?P<oneof>\[[!^]?\]?[^\]]*\])",
    re.DOTALL,
)
_MEANINGS = {"folders": "(?:.*/)?", "all": ".*", "some": "[^/]*", "any": "[^/]"}


class GlobPattern:
    """``*``, ``?`` and ``[a-z]`` match no slash, ``**`` does; a backslash takes the next character as it is.

    Without a slash the pattern is compared with names at every depth, otherwise with the path below the folder. With a
    slash at its end it matches folders only.
    """

    def __init__(self, pattern: str) -> None:
        self._is_for_folders = len(pattern) > 1 and pattern.endswith("/")
        pattern = pattern[:-1] if self._is_for_folders else pattern
        self._is_for_names = "/" not in pattern
        self._expression = re.compile(_expression(pattern[1:] if pattern.startswith("/") else pattern), re.DOTALL)

    def matches(self, path: str, is_folder: bool) -> bool:
        """Whether it matches the file or folder at this path below the stored folder."""
        if self._is_for_folders and not is_folder:
            return False
        return self._expression.fullmatch(path.rpartition("/")[2] if self._is_for_names else path) is not None


def _expression(pattern: str) -> str:
    parts, end = [], 0
    for special in _SPECIAL.finditer(pattern):
        parts.append(re.escape(pattern[end : special.start()]))
        end = special.end()
        kind = special.lastgroup or ""
        if kind == "escaped":
            parts.append(re.escape(special[0][1]))
        elif kind == "oneof":
            parts.append(_class(special[0][1:-1]))
        else:
            parts.append(_MEANINGS[kind])
    return "".join(parts) + re.escape(pattern[end:])


def _class(inside: str) -> str:
    is_inverted = inside[0] in "!^"
    letters = inside[1:] if is_inverted else inside
    ranges, at = [], 0
    while at < len(letters):
        is_range = letters[at + 1 : at + 2] == "-" and at + 2 < len(letters)
        first, last = letters[at], letters[at + 2] if is_range else letters[at]
        ranges.append(f"{re.escape(min(first, last))}-{re.escape(max(first, last))}")
        at += 3 if is_range else 1
    return f"(?!/)[{'^' if is_inverted else ''}{''.join(ranges)}]"
