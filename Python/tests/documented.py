"""The commands that the documents show, and what they print."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
# docs/peer-protocol.md shows bytes on the wire, and docs/command-reference.md is what the program itself prints.
_WITHOUT_COMMANDS = ("peer-protocol.md", "command-reference.md")
_PAGES = sorted(path.name for path in (ROOT / "docs").glob("*.md") if path.name not in _WITHOUT_COMMANDS)
DOCUMENTS = ["README.md", *(f"docs/{name}" for name in _PAGES)]
# Lines of other languages that look like commands.
_NOT_COMMANDS = ("const ", "events.")
_COMMAND = re.compile(r"(?:\$ )?((?:(?:Deploy/)?[./a-z][A-Za-z0-9_./-]*|(?:API|TOKEN)=\S.*)(?: .*)?)$")
_COMMENT = re.compile(r"\s+#\s.*$")
_OURS = re.compile(r"kachery(?:d|-[a-z0-9-]+)?$")


class Shown(NamedTuple):
    """A command without its comment, and the lines that are shown as its output."""

    document: str
    command: str
    output: tuple[str, ...]


def shown(document: str) -> list[Shown]:
    """The commands of a document, in its order."""
    found: list[Shown] = []
    for block in _blocks((ROOT / document).read_text()):
        found += _commands(document, block)
    return found


def _blocks(text: str) -> Iterator[list[str]]:
    """The paragraphs of blocks that are indented, or fenced as a shell's."""
    block: list[str] = []
    fence: str | None = None
    after_blank = True
    for line in [*text.splitlines(), ""]:
        if line.startswith("```"):
            fence = line[3:] if fence is None else None
            content: str | None = None
        elif fence is not None:
            content = line if fence in ("sh", "bash", "console") and line else None
        else:
            content = line[4:] if line.startswith("    ") and (block or after_blank) else None
        if content is not None:
            block.append(content)
        elif block:
            yield block
            block = []
        after_blank = not line


def _commands(document: str, block: list[str]) -> list[Shown]:
    has_prompts = any(line.startswith("$ ") for line in block)
    found: list[Shown] = []
    is_continued = False
    for line in block:
        if is_continued:
            last = found.pop()
            found.append(last._replace(command=last.command[:-1] + line.strip()))
            is_continued = line.endswith("\\")
        elif line.startswith("$ ") if has_prompts else _is_command(line):
            command = _COMMENT.sub("", line[2:] if has_prompts else line)
            found.append(Shown(document, command, ()))
            is_continued = line.endswith("\\")
        elif has_prompts and found:
            last = found.pop()
            found.append(last._replace(output=(*last.output, line)))
    return found


def _is_command(line: str) -> bool:
    return _COMMAND.match(line) is not None and not line.startswith(_NOT_COMMANDS)


def inline(document: str) -> list[str]:
    """Our commands that the text of a document names in passing."""
    spans = re.findall(r"`(kachery(?:d|-[a-z0-9-]+)? [^`\n]*)`", (ROOT / document).read_text())
    return [span.replace("\\|", "|") for span in spans]


def python_blocks(document: str) -> list[str]:
    """The blocks of Python in a document."""
    return re.findall(r"^```python\n(.*?)^```", (ROOT / document).read_text(), re.MULTILINE | re.DOTALL)


def examples_of_the_help() -> list[str]:
    """The examples of docs/command-reference.md."""
    found: list[str] = []
    are_examples = False
    for line in (ROOT / "docs" / "command-reference.md").read_text().splitlines():
        if line in ("Example:", "Examples:"):
            are_examples = True
        elif not line.startswith("  "):
            are_examples = False
        elif are_examples:
            found.append(line.strip())
    return found


class Call(NamedTuple):
    """A call of one of our programs: its words up to the first option or operand that is no name, and its options."""

    words: tuple[str, ...]
    options: tuple[str, ...]


def calls(command: str) -> list[Call]:
    """The calls of our programs in a line for the shell."""
    found = []
    # What stands in $(…) or `…` is a line of its own.
    inner = re.findall(r"\$\(([^)]*)\)|`([^`]*)`", command)
    lines = [re.sub(r"\$\([^)]*\)|`[^`]*`", "X", command), *(first or second for first, second in inner)]
    for line in lines:
        words: list[str] = []
        # A semicolon that ends a word ends the command, too.
        for word in [*shlex.split(re.sub(r"[\"']", "", line).replace(";", " ;")), ";"]:
            if word in ("|", "&&", ";", "&"):
                found += _call(words)
                words = []
            else:
                words.append(word)
    return found


def _call(words: list[str]) -> list[Call]:
    starts = [index for index, word in enumerate(words) if _OURS.match(word)]
    # The journal's program is given the name of a service.
    if not starts or words[0] == "journalctl":
        return []
    ours = words[starts[0] :]
    names = [ours[0]]
    for word in ours[1:]:
        if not re.fullmatch(r"[a-z][a-z-]*", word):
            break
        names.append(word)
    options = [word.partition("=")[0].rstrip(",") for word in ours[1:] if re.match(r"\[?--?[a-z]", word)]
    return [Call(tuple(names), tuple(option.lstrip("[") for option in options))]


def matches(printed: str, expected: tuple[str, ...], known: dict[str, str]) -> bool:
    """Whether this was printed: an ellipsis stands for anything, and ``known`` for what differs from run to run."""
    text = "\n".join(expected)
    for example, value in known.items():
        text = text.replace(example, value)
    return re.fullmatch(".*".join(map(re.escape, text.split("…"))), printed.rstrip("\n")) is not None
