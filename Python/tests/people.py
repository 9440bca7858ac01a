"""People who type commands, each at a machine of their own: a home and a daemon."""

from __future__ import annotations

import os
import shlex
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from real_daemon import RealDaemon, program

PATIENCE = 60.0  # seconds for a command
NAMES = [
    "kachery",
    "kachery-p2p-start-daemon",
    "kachery-p2p-node-info",
    "kachery-store",
    "kachery-load",
    "kachery-p2p-stop-daemon",
]


class Person:
    """Somebody at a machine of their own."""

    def __init__(self, name: str, home: Path) -> None:
        self.name = name
        self.home = home
        self.folder = home / "work"
        self.folder.mkdir(parents=True)
        self.exported: dict[str, str] = {}
        self._daemon: RealDaemon | None = None

    def start(self, *options: str) -> None:
        self._daemon = RealDaemon(self.home, self.name, *options, storage=self.home / "kachery-storage")
        self._daemon.wait_until_ready()

    @property
    def environment(self) -> dict[str, str]:
        # The person who sends or receives by a code has no daemon; here it is not asked.
        assert self._daemon is not None
        path = f"{self.home.parent / 'bin'}:{os.environ['PATH']}"
        return {**self._daemon.environment, "PATH": path, **self.exported}

    def types(self, command: str, code: int = 0) -> str:
        """Runs a command that must end with this exit code. Returns its output, or else what it says about an error."""
        typed = subprocess.run(
            ["bash", "-c", command],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert typed.returncode == code, f"{self.name}: {command}\n{typed.stdout}{typed.stderr}"
        return typed.stdout if code == 0 else typed.stderr

    def begins(self, command: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            shlex.split(command),
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
        )

    def exports(self, command: str) -> None:
        """Sets variables for what is typed from now on."""
        for word in shlex.split(command)[1:]:
            name, _, value = word.partition("=")
            self.exported[name] = os.path.expanduser(value) if not value.startswith("~") else f"{self.home}{value[1:]}"

    def waits_for(self, label: str) -> None:
        """Until this person's node is linked to another one."""
        deadline = time.monotonic() + PATIENCE
        while label not in self.types("kachery daemon peers"):
            assert time.monotonic() < deadline, f"{self.name} is not linked to {label}"
            time.sleep(0.05)

    def stop(self) -> None:
        if self._daemon is not None:
            self._daemon.stop()


@contextmanager
def people(folder: Path, *names: str) -> Iterator[dict[str, Person]]:
    """Persons with these names, for whom our commands are on the PATH. Their daemons stop at the end."""
    (folder / "bin").mkdir()
    for name in NAMES:
        (folder / "bin" / name).symlink_to(program("kachery"))
    found = {name: Person(name, folder / name) for name in names}
    try:
        yield found
    finally:
        for person in found.values():
            person.stop()
