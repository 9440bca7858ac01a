"""``%kachery`` in IPython and Jupyter, after ``%load_ext kachery_p2p``."""

from __future__ import annotations

import os
import shlex
from typing import Any

from ._errors import BadRequest, KacheryError
from ._folders import load_dir, store_dir
from ._load import load_file
from ._node import get_node_info
from ._store import store_file

USAGE = """\
%kachery load URI [--dest PATH]   loads a file, or a folder to PATH; the result is the path
%kachery store PATH…              stores files and folders; the result is the URI, or a list of them
%kachery info                     this node
In URI and PATH, $name is the value of a variable of the notebook."""


def register(shell: Any) -> None:
    """Adds ``%kachery`` to an IPython shell."""
    shell.register_magic_function(kachery, "line", "kachery")


def kachery(line: str) -> Any:
    """Loads and stores files. ``%kachery`` alone shows how."""
    try:
        return _run(_words(line))
    except KacheryError as error:
        # IPython prints these lines in place of a traceback, which would show only this package.
        lines = [f"{type(error).__name__}: {error}"]
        error._render_traceback_ = lambda: lines  # type: ignore[attr-defined]
        raise


def _words(line: str) -> list[str]:
    try:
        return shlex.split(line)
    except ValueError as error:
        raise BadRequest(f"{line.strip()} cannot be split into words ({error}): check its quotation marks.") from None


def _run(words: list[str]) -> Any:
    if not words or words[0] in ("help", "-h", "--help"):
        print(USAGE)
        return None
    command, operands = words[0], words[1:]
    if command == "load":
        return _load(*_destination(operands))
    if command == "store":
        return _store([_value(word, "a file or folder") for word in operands])
    if command == "info":
        if operands:
            raise BadRequest("%kachery info takes nothing more.")
        return get_node_info()
    raise BadRequest(f"There is no %kachery {command}, only load, store and info. %kachery alone shows how.")


def _destination(words: list[str]) -> tuple[list[str], str | None]:
    """The operands, and the value of ``--dest``."""
    operands: list[str] = []
    dest: str | None = None
    rest = iter(words)
    for word in rest:
        if word == "--dest":
            dest = next(rest, None)
            if dest is None:
                raise BadRequest("--dest needs a path.")
        elif word.startswith("--dest="):
            dest = word[len("--dest=") :]
        else:
            operands.append(_value(word, "a URI, and --dest PATH"))
    return operands, dest


def _value(word: str, expected: str) -> str:
    if word.startswith("-"):
        raise BadRequest(f"There is no option {word} here: name {expected}.")
    if word.startswith("$") or word in ("{}", ""):
        raise BadRequest(f"'{word}' is not the name of a variable of this notebook.")
    return word


def _load(operands: list[str], dest: str | None) -> str | None:
    if len(operands) != 1:
        raise BadRequest("Name one URI: %kachery load URI [--dest PATH].")
    (uri,) = operands
    place = os.path.expanduser(dest) if dest is not None else None
    is_folder = uri.startswith("sha1dir://") and not uri[len("sha1dir://") :].partition("/")[2]
    if not is_folder:
        return load_file(uri, place, strict=True)
    if place is None:
        raise BadRequest(f"{uri} is a folder: say where to write it, with --dest FOLDER.")
    return load_dir(uri, place, strict=True)


def _store(paths: list[str]) -> str | list[str]:
    if not paths:
        raise BadRequest("Name a file or folder: %kachery store PATH….")
    found = [os.path.expanduser(path) for path in paths]
    uris = [store_dir(path) if os.path.isdir(path) else store_file(path) for path in found]
    return uris[0] if len(uris) == 1 else uris
