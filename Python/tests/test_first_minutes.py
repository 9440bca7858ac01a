"""`docs/first-minutes.md`, typed as it stands: three machines, which are three homes here."""

from __future__ import annotations

import hashlib
import os
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from documented import shown
from people import PATIENCE, Person, people
from real_daemon import free_port

DAEMON = "kachery-p2p-start-daemon"
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


@pytest.fixture
def persons(tmp_path: Path) -> Iterator[dict[str, Person]]:
    with people(tmp_path, "anna", "ben", "meeting-point") as persons:
        yield persons


def test_the_document_shows_these_commands() -> None:
    assert [command for _, command, _ in shown("docs/first-minutes.md")] == [command for _, command in TYPED]


def test_the_first_minutes(persons: dict[str, Person]) -> None:
    port = free_port()
    content = os.urandom(300_000)
    (persons["anna"].folder / "recording.dat").write_bytes(content)
    received = persons["ben"].folder / "recording.dat"
    # What the document writes with an ellipsis, or as an example, and what was printed.
    known = {"meet.example.org:14507": f"127.0.0.1:{port}"}
    sending: subprocess.Popen[str] | None = None
    for name, typed in TYPED:
        person, command = persons[name], typed
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
            if typed.startswith("kachery invite"):
                known["kachery-invite-1-…"] = printed.strip()
            elif typed.startswith("kachery store"):
                known["sha1://…/recording.dat"] = printed.strip()
                assert printed == f"sha1://{hashlib.sha1(content).hexdigest()}/recording.dat\n"
            elif typed.startswith("kachery channel list"):
                assert "our-lab-x7k2" in printed and "anna" in printed
            elif typed.startswith("kachery daemon peers"):
                assert "anna" in printed and "meeting-point" in printed
            elif typed.startswith("kachery ls"):
                assert "recording.dat" in printed
        if "recording.dat" in typed and name == "ben" and ("load" in typed or "receive" in typed):
            assert received.read_bytes() == content
    assert known["sha1://…/recording.dat"].split("/")[2] not in persons["anna"].types("kachery ls")
