"""``kachery send`` and ``kachery receive``, through a bootstrap node on this machine."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from real_daemon import StartDaemon, free_port, program

DEADLINE = 60.0  # seconds; a debug build on a busy machine


class Person:
    """Somebody with a home and a folder, and no daemon."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "work"
        self.folder.mkdir(parents=True)
        self.temporary = folder / "tmp"
        self.temporary.mkdir()
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "TMPDIR": str(self.temporary),
            # No daemon of this machine is asked for its bootstrap nodes, and no router for a port.
            "KACHERY_P2P_API_PORT": "1",
            "KACHERY_P2P_PORT_MAPPING": "no",
        }

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [str(program("kachery")), *arguments],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        process = self.start(*arguments)
        output, errors = process.communicate(timeout=DEADLINE)
        return subprocess.CompletedProcess(arguments, process.returncode, output, errors)

    def write(self, name: str, content: bytes) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    @property
    def files(self) -> dict[str, bytes]:
        return {
            str(path.relative_to(self.folder)): path.read_bytes()
            for path in sorted(self.folder.rglob("*"))
            if path.is_file()
        }


@pytest.fixture
def address(start_daemon: StartDaemon) -> str:
    port = free_port()
    start_daemon("hub", "--isbootstrap", "--port", str(port))
    return f"127.0.0.1:{port}"


@pytest.fixture
def alice(tmp_path: Path) -> Iterator[Person]:
    person = Person(tmp_path / "alice")
    yield person
    wait_until_empty(person.temporary)


@pytest.fixture
def bob(tmp_path: Path) -> Person:
    return Person(tmp_path / "bob")


def wait_until_empty(folder: Path) -> None:
    """The node of a command that was killed ends a moment later, and removes its folder."""
    deadline = time.monotonic() + 15
    while any(folder.iterdir()) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert list(folder.iterdir()) == []


def code_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    line = process.stdout.readline().strip()
    if not line:
        pytest.fail(f"no code: {process.communicate(timeout=DEADLINE)}")
    return line


def test_files_and_folders_arrive(address: str, alice: Person, bob: Person) -> None:
    sent = {"notes.txt": b"Mouse 4\n", "session/a.bin": os.urandom(3_000_000), "session/deep/b": b"", "session/c": b"c"}
    sent["session/again"] = sent["session/a.bin"]
    for name, content in sent.items():
        alice.write(name, content)
    (alice.folder / "session/link").symlink_to("/etc/hostname")
    sending = alice.start("send", "--bootstrap", address, "notes.txt", "session/")
    code = code_of(sending)
    words, place = code.split("@")
    assert place == address and len(words.split("-")) == 6

    # A wrong guess does not disturb the transfer.
    wrong = "acid-acorn-actor-adapt-admit"
    last = [line.split("-")[-1] for line in alice.run("receive", "--complete", f"{wrong}-").stdout.split()]
    guesses = [bob.run("receive", f"{wrong}-{word}", "--timeout", "1") for word in last[:2]]
    assert all(guess.returncode == 2 and "does not fit" in guess.stderr for guess in guesses), guesses

    received = bob.run("receive", code)
    assert received.returncode == 0, received.stderr
    assert "The SHA-1 of each is right." in received.stderr
    assert received.stdout.split() == ["notes.txt", "session"]
    _, errors = sending.communicate(timeout=DEADLINE)
    assert sending.returncode == 0
    assert "has everything" in errors and "Left out 1 symbolic links." in errors
    assert bob.files == sent
    assert not list(bob.folder.glob(".*"))
    assert os.access(bob.folder / "session/c", os.W_OK)


def test_a_text_and_several_receivers(address: str, alice: Person, bob: Person, tmp_path: Path) -> None:
    carol = Person(tmp_path / "carol")
    sending = alice.start("send", "--bootstrap", address, "--text", "swordfish", "--receivers", "2")
    code = code_of(sending)
    short = " ".join(word[:4].upper() for word in code.split("@")[0].split("-"))
    assert bob.run("receive", *short.split(), "--bootstrap", address).stdout == "swordfish\n"
    assert sending.poll() is None
    assert carol.run("receive", code).stdout == "swordfish\n"
    sending.communicate(timeout=DEADLINE)
    assert sending.returncode == 0
    assert bob.files == {} and list(bob.folder.iterdir()) == []


def test_an_interrupted_transfer_continues(address: str, alice: Person, bob: Person) -> None:
    content = os.urandom(100_000_000)
    alice.write("large.bin", content)
    sending = alice.start("send", "--bootstrap", address, "large.bin")
    code = code_of(sending)
    receiving = bob.start("receive", code)
    partial = bob.folder
    deadline = time.monotonic() + DEADLINE
    while not any(path.is_file() and path.stat().st_blocks > 40_000 for path in partial.rglob("*")):
        assert receiving.poll() is None, receiving.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.005)
    receiving.send_signal(signal.SIGINT)
    receiving.communicate(timeout=DEADLINE)
    assert receiving.returncode == -signal.SIGINT
    sending.kill()
    sending.communicate(timeout=DEADLINE)
    # The nodes of both end by themselves.
    wait_until_empty(alice.temporary)
    assert len(list(bob.folder.iterdir())) == 1
    kept = sum(path.stat().st_blocks * 512 for path in partial.rglob("*") if path.is_file())

    sending = alice.start("send", "--code", code, "large.bin")
    assert code_of(sending) == code
    received = bob.run("receive", code)
    assert received.returncode == 0, received.stderr
    sending.communicate(timeout=DEADLINE)
    assert sending.returncode == 0
    assert hashlib.sha1((bob.folder / "large.bin").read_bytes()).digest() == hashlib.sha1(content).digest()
    assert list(bob.folder.iterdir()) == [bob.folder / "large.bin"]
    print(f"\n  {kept} of {len(content)} bytes were kept")


def test_nothing_is_overwritten_or_left(address: str, alice: Person, bob: Person, tmp_path: Path) -> None:
    alice.write("a/x", b"new")
    alice.write("a/y", b"same")
    sending = alice.start("send", "--bootstrap", address, "a", "--keep")
    code = code_of(sending)
    bob.write("a/x", b"old")
    bob.write("a/y", b"same")
    refused = bob.run("receive", code)
    assert refused.returncode == 2 and "'a/x' exists with other content" in refused.stderr
    assert bob.files["a/x"] == b"old"
    # A link in the way would lead out of the folder.
    outside = tmp_path / "outside"
    outside.mkdir()
    (tmp_path / "alice" / "elsewhere").mkdir()
    trap = Person(tmp_path / "trap")
    (trap.folder / "a").symlink_to(outside)
    trapped = trap.run("receive", code)
    assert trapped.returncode == 2 and "is not a folder" in trapped.stderr
    assert list(outside.iterdir()) == []
    replaced = bob.run("receive", code, "--overwrite")
    assert replaced.returncode == 0, replaced.stderr
    assert "1 of them were here already" in replaced.stderr
    assert bob.files == {"a/x": b"new", "a/y": b"same"}
    elsewhere = bob.run("receive", code, "--dest", "new/folder")
    assert elsewhere.returncode == 0 and elsewhere.stdout == "new/folder/a\n"
    sending.send_signal(signal.SIGTERM)
    sending.communicate(timeout=DEADLINE)
    assert sending.returncode == -signal.SIGTERM


def test_a_code_without_a_sender_ends_in_time(address: str, alice: Person, bob: Person) -> None:
    sending = alice.start("send", "--bootstrap", address, "--text", "x")
    code = code_of(sending)
    sending.kill()
    sending.communicate(timeout=DEADLINE)
    wait_until_empty(alice.temporary)
    missing = bob.run("receive", code, "--timeout", "4")
    assert missing.returncode == 3 and "No sender with this code" in missing.stderr, missing.stderr
    nowhere = bob.run("receive", code.split("@")[0] + f"@127.0.0.1:{free_port()}", "--timeout", "2")
    assert nowhere.returncode == 1 and "could not be reached" in nowhere.stderr
    assert list(bob.folder.iterdir()) == []
    for arguments in [("send",), ("send", "nothing"), ("send", "--text", "x", "y"), ("receive", "apple")]:
        assert alice.run(*arguments).returncode in (2, 3)
