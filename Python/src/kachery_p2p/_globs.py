"""Patterns for paths below a folder, as in rsync and .gitignore files. The commands follow the same rules."""

from __future__ import annotations

import re

_SPECIAL = re.compile(
    r"(?P<folders>(?:(?<=/)|\A)\*\*+/)|(?P<all>\*\*+)|(?P<some>\*)|(?P<any>\?)|(?P<escaped>\\.)"
    r"|(?P<oneof>\[[!^]?\]?[^\]]*\])",
    re.DOTALL,
)
_NO_SLASH = re.compile("[^/]", re.DOTALL)


class GlobPattern:
    """``*``, ``?`` and ``[a-z]`` match no slash, ``**`` does; a backslash takes the next character as it is.

    Without a slash the pattern is compared with names at every depth, otherwise with the path below the folder. With a
    slash at its end it matches folders only.
    """

    def __init__(self, pattern: str) -> None:
        self._is_for_folders = len(pattern) > 1 and pattern.endswith("/")
        pattern = pattern[:-1] if self._is_for_folders else pattern
        self._is_for_names = "/" not in pattern
        self._parts = _parts(pattern[1:] if pattern.startswith("/") else pattern)

    def matches(self, path: str, is_folder: bool) -> bool:
        """Whether it matches the file or folder at this path below the stored folder."""
        if self._is_for_folders and not is_folder:
            return False
        return self._matches(path.rpartition("/")[2] if self._is_for_names else path)

    def _matches(self, text: str) -> bool:
        """Follows every way to match at the same time: a regular expression tries one after another, for hours."""
        states: set[int] = set()
        self._enter(0, states)
        for letter in text:
            reached: set[int] = set()
            for state in states:
                part = self._parts[state] if state < len(self._parts) else ""
                if part == "inside folders":
                    reached.add(state)
                    if letter == "/":
                        self._enter(state + 1, reached)
                elif part == "all" or (part == "some" and letter != "/"):
                    self._enter(state, reached)
                elif isinstance(part, re.Pattern) and part.match(letter):
                    self._enter(state + 1, reached)
            states = reached
        return len(self._parts) in states

    def _enter(self, state: int, states: set[int]) -> None:
        """Adds a state, and those that are reached from it without a letter."""
        states.add(state)
        part = self._parts[state] if state < len(self._parts) else ""
        if part in ("all", "some"):
            self._enter(state + 1, states)
        elif part == "folders":
            states.add(state + 1)
            self._enter(state + 2, states)


def _parts(pattern: str) -> list[str | re.Pattern[str]]:
    """Its parts: each matches one letter, or has a name and matches any number."""
    parts: list[str | re.Pattern[str]] = []
    end = 0
    for special in _SPECIAL.finditer(pattern):
        parts += [re.compile(re.escape(letter)) for letter in pattern[end : special.start()]]
        end = special.end()
        kind = special.lastgroup or ""
        if kind == "any":
            parts.append(_NO_SLASH)
        elif kind == "escaped":
            parts.append(re.compile(re.escape(special[0][1])))
        elif kind == "oneof":
            parts.append(re.compile(_class(special[0][1:-1])))
        elif kind == "folders":
            parts += [kind, "inside folders"]
        else:
            parts.append(kind)
    return parts + [re.compile(re.escape(letter)) for letter in pattern[end:]]


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
