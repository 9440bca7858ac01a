"""Patterns for paths below a folder, as in rsync and .gitignore files. The commands follow the same rules."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple, Pattern

_SPECIAL = re.compile(
    r"(?P<folders>(?:(?<=/)|\A)\*\*+/)|(?P<all>\*\*+)|(?P<some>\*)|(?P<any>\?)|(?P<escaped>\\.)"
    # A bracket that begins a class may be the first of its characters; one that ends nowhere stands for itself.
    r"|(?P<oneof>\[(?:[!^]|(?![!^]))(?:\][^\]]*|[^\]]+)\])",
    re.DOTALL,
)


class GlobPattern:
    """``*``, ``?`` and ``[a-z]`` match no slash, ``**`` does; a backslash takes the next character as it is.

    Without a slash the pattern is compared with names at every depth, otherwise with the path below the folder. With a
    slash at its end it matches folders only.
    """

    def __init__(self, pattern: str) -> None:
        self._is_for_folders = len(pattern) > 1 and pattern.endswith("/")
        pattern = pattern[:-1] if self._is_for_folders else pattern
        self._is_for_names = "/" not in pattern
        self._parts = tuple(_parts(pattern[1:] if pattern.startswith("/") else pattern))

    def matches(self, path: str, is_folder: bool) -> bool:
        """Whether it matches the file or folder at this path below the stored folder."""
        if self._is_for_folders and not is_folder:
            return False
        return _fits(self._parts, path.rpartition("/")[2] if self._is_for_names else path)


class _Part(NamedTuple):
    """One letter, or what stands for several: ``kind`` is that of ``_SPECIAL``, or ``letter``."""

    kind: str
    letters: Pattern[str]  # that one letter of the path may be


def _parts(pattern: str) -> Iterator[_Part]:
    end = 0
    anything, in_a_name = re.compile(".", re.DOTALL), re.compile("[^/]")
    for special in [*_SPECIAL.finditer(pattern), None]:
        for letter in pattern[end : special.start() if special is not None else None]:
            yield _Part("letter", re.compile(re.escape(letter)))
        if special is None:
            return
        end = special.end()
        kind = special.lastgroup or ""
        if kind == "escaped":
            yield _Part("letter", re.compile(re.escape(special[0][1])))
        elif kind == "oneof":
            yield _Part("letter", re.compile(_class(special[0][1:-1])))
        elif kind == "any":
            yield _Part("letter", in_a_name)
        else:
            yield _Part(kind, in_a_name if kind == "some" else anything)


def _fits(parts: tuple[_Part, ...], text: str) -> bool:
    """Whether all of the text fits.

    Follows every possibility at the same time: a regular expression tries one after another, which takes minutes for
    some patterns. A possibility is twice the number of its next part, and one more within the folders of ``**/``.
    """
    states = _with_skipped(parts, [0])
    for letter in text:
        reached: list[int] = []
        for state in states:
            number, is_within = divmod(state, 2)
            if number == len(parts) or parts[number].letters.match(letter) is None:
                continue
            if parts[number].kind == "letter":
                reached.append(state + 2)
            elif parts[number].kind != "folders":
                reached.append(state)
            else:
                reached.append(state + 1 - is_within)
                if letter == "/":
                    reached.append(state + 2 - is_within)
        states = _with_skipped(parts, reached)
    return 2 * len(parts) in states


def _with_skipped(parts: tuple[_Part, ...], states: Iterable[int]) -> set[int]:
    """The states, and those behind parts that may stand for nothing."""
    found: set[int] = set()
    for first in states:
        state = first
        while state not in found:
            found.add(state)
            number, is_within = divmod(state, 2)
            if number == len(parts) or is_within or parts[number].kind == "letter":
                break
            state += 2
    return found


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
