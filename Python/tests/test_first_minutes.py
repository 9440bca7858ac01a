"""`docs/first-minutes.md`, typed as it stands: three machines, which are three homes here."""

from __future__ import annotations

import hashlib
import os
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from real_daemon import RealDaemon, free_port, program

DOCUMENT = Path(__file__).parents[2] / "docs" / "first-minutes.md"
NAMES = ["kachery", "kachery-p2p-start-daemon"]
DAEMON = "kachery-p2p-start-daemon"
PATIENCE = 60.0  # seconds for a command
# Who types each command of the document, in its order.
TYPED = [
    ("anna", "make install"),
    ("meeting-point", f"{DAEMON} --isbootstrap --label meeting-point"),
    ("anna", f"{DAEMON} --label anna --bootstrap meet.example.org:14507"),
    ("anna", "kachery channel join our-lab-x7k2"),
    ("anna", "kachery invite --expires 7d"),
    ("ben", f"{DAEMON} --label ben"),
    ("ben", "kachery join kachery-invite-1-…"),
    ("anna", "kachery store recording.dat"),
    ("ben", "kachery load 'sha1://…/recording.dat' --dest recording.dat"),
    ("ben", "kachery channel list"),
    ("ben", "kachery daemon peers"),
    ("ben", "kachery doctor"),
    ("ben", "kachery explain 'sha1://…/recording.dat'"),
    ("anna", "kachery send recording.dat --bootstrap meet.example.org:14507"),
    ("ben", "kachery receive camel-stone-cloud-quick-tulip-music@meet.example.org:14507"),
    ("anna", "kachery ls"),
    ("anna", "kachery rm --dry-run 'sha1://…/recording.dat'"),
    ("anna", "kachery rm --if-elsewhere 'sha1://…/recording.dat'"),
    ("anna", "kachery gc --trash"),
]


def commands(text: str) -> list[str]:
    """The commands that the document shows, without comments."""
    found = []
    for line in text.splitlines():
        shown = re.match(r"    (?:\$ )?((?:make|kachery)[a-z0-9-]* .*)", line)
        if shown:
            found.append(re.sub(r"\s+#.*", "", shown[1]))
    return found


class Person:
    """Somebody at a machine of their own."""

    def __init__(self, name: str, home: Path) -> None:
        self.name = name
        self.folder = home / "work"
        self.folder.mkdir(parents=True)
        self._home = home
        self._daemon: RealDaemon | None = None

    def start(self, *options: str) -> None:
        self._daemon = RealDaemon(self._home, self.name, *options)
        self._daemon.wait_until_ready()

    @property
    def environment(self) -> dict[str, str]:
        # The person who sends or receives by a code has no daemon; here it is not asked.
        assert self._daemon is not None
        return {**self._daemon.environment, "PATH": f"{self._home.parent / 'bin'}:{os.environ['PATH']}"}

    def types(self, command: str) -> str:
        """Runs a command that must succeed. Returns its output."""
        typed = subprocess.run(
            shlex.split(command),
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert typed.returncode == 0, f"{self.name}: {command}\n{typed.stdout}{typed.stderr}"
        return typed.stdout

    def begins(self, command: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            shlex.split(command),
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
        )

    def stop(self) -> None:
        if self._daemon is not None:
            self._daemon.stop()


@pytest.fixture
def people(tmp_path: Path) -> Iterator[dict[str, Person]]:
    (tmp_path / "bin").mkdir()
    for name in NAMES:
        (tmp_path / "bin" / name).symlink_to(program("kachery"))
    people = {name: Person(name, tmp_path / name) for name in ("anna", "ben", "meeting-point")}
    yield people
    for person in people.values():
        person.stop()


def test_the_document_shows_these_commands() -> None:
    assert commands(DOCUMENT.read_text()) == [command for _, command in TYPED]


def test_the_first_minutes(people: dict[str, Person]) -> None:
    port = free_port()
    content = os.urandom(300_000)
    (people["anna"].folder / "recording.dat").write_bytes(content)
    received = people["ben"].folder / "recording.dat"
    # What the document writes with an ellipsis, or as an example, and what was printed.
    known = {"meet.example.org:14507": f"127.0.0.1:{port}"}
    sending: subprocess.Popen[str] | None = None
    for name, shown in TYPED:
        person, command = people[name], shown
        for example, value in known.items():
            command = command.replace(example, value)
        if command == "make install":
            continue
        if "--if-elsewhere" in command:
            # All three are on one machine, which counts once otherwise.
            command += " --count-this-machine"
        if command.startswith(DAEMON):
            options = ["--port", str(port)] if "--isbootstrap" in command else []
            person.start(*shlex.split(command)[1:], *options)
        elif command.startswith("kachery send"):
            sending = person.begins(command)
            assert sending.stdout is not None
            known["camel-stone-cloud-quick-tulip-music@" + known["meet.example.org:14507"]] = (
                sending.stdout.readline().strip()
            )
        elif command.startswith("kachery receive"):
            received.unlink()
            person.types(command)
            assert sending is not None and sending.wait(PATIENCE) == 0
            assert sending.stdout is not None
            sending.stdout.close()
        else:
            printed = person.types(command)
            if shown.startswith("kachery invite"):
                known["kachery-invite-1-…"] = printed.strip()
            elif shown.startswith("kachery store"):
                known["sha1://…/recording.dat"] = printed.strip()
                assert printed == f"sha1://{hashlib.sha1(content).hexdigest()}/recording.dat\n"
            elif shown.startswith("kachery channel list"):
                assert "our-lab-x7k2" in printed and "anna" in printed
            elif shown.startswith("kachery daemon peers"):
                assert "anna" in printed and "meeting-point" in printed
            elif shown.startswith("kachery ls"):
                assert "recording.dat" in printed
        if "recording.dat" in shown and name == "ben" and ("load" in shown or "receive" in shown):
            assert received.read_bytes() == content
    assert known["sha1://…/recording.dat"].split("/")[2] not in people["anna"].types("kachery ls")
