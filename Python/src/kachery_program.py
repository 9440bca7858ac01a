"""The published commands after `pip install`: each calls the program `kachery`, which answers to all of their names.

This is a module of its own, so that a command starts without importing the package.
"""

from __future__ import annotations

import os
import shutil
import sys


def find(name: str) -> str | None:
    """The path of the program ``kachery`` or ``kacheryd``; ``None`` if it is not installed.

    ``KACHERY_PROGRAM`` is the path of ``kachery``, beside which ``kacheryd`` is. Otherwise both are searched for on the
    ``PATH``, beside this Python, and where packages and `make install` put them.
    """
    named = os.environ.get("KACHERY_PROGRAM")
    if named:
        path = os.path.join(os.path.dirname(named), name)
        return path if os.access(path, os.X_OK) else None
    folders = [
        *os.environ.get("PATH", os.defpath).split(os.pathsep), os.path.dirname(sys.executable), "/usr/local/bin",
        "/usr/bin", os.path.expanduser("~/.local/bin"),
    ]  # fmt: skip
    return shutil.which(name, path=os.pathsep.join(folder for folder in folders if os.path.isabs(folder)))


def main() -> int:
    """Replaces this process with the program, under the name by which this command was called."""
    name = os.path.basename(sys.argv[0])
    program = find("kachery")
    if program is not None:
        os.execv(program, [name, *sys.argv[1:]])
    print(
        f"{name}: the program kachery is not installed: pip installs only what programs in Python need. Install the "
        "Debian package kachery, unpack kachery's tarball, or build it from the sources (make install "
        "PREFIX=$HOME/.local). If it is elsewhere, set KACHERY_PROGRAM to its path.",
        file=sys.stderr,
    )
    return 127
