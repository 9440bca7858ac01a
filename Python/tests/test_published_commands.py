"""The published commands from PyPI and ours of the same names: scripts get the same output from both."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from real_daemon import RealDaemon, program
from test_published_client import published_python

ABSENT = "sha1://" + "0" * 40


class Shell:
    """Runs the published commands, and ours of the same names, in one folder with one daemon."""

    def __init__(self, folder: Path, daemon: RealDaemon) -> None:
        self.folder = folder
        self._environment = {
            "PATH": "/usr/bin:/bin",
            "HOME": str(folder),
            "KACHERY_DAEMON_PORT": str(daemon.api_port),
            "KACHERY_TEMP_DIR": str(folder / "tmp"),
        }
        self._links = folder / "bin"
        self._links.mkdir()

    def published(self, *command: str) -> subprocess.CompletedProcess[bytes]:
        """Runs the published command, through the program to which all published names belong."""
        calls = {"kachery-store": "store-file", "kachery-load": "load-file", "kachery-cat": "cat-file",
                 "kachery-link": "link-file", "kachery-info": "info"}  # fmt: skip
        name, rest = command[0], list(command[1:])
        arguments = rest if name == "kachery-client" else [calls[name], *rest]
        return self._run([published_python(), "-c", "from kachery_client.cli import cli; cli()", *arguments])

    def ours(self, *command: str) -> subprocess.CompletedProcess[bytes]:
        link = self._links / command[0]
        if not link.exists():
            link.symlink_to(program("kachery"))
        return self._run([str(link), *command[1:]])

    def both(self, *command: str) -> list[str]:
        """The lines that both print. Fails if these or the exit codes differ."""
        theirs, ours = self.published(*command), self.ours(*command)
        assert theirs.returncode == 0, theirs.stderr
        assert ours.returncode == 0, ours.stderr
        assert ours.stdout == theirs.stdout
        return ours.stdout.decode().splitlines()

    def _run(self, command: list[str]) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            command, env=self._environment, cwd=self.folder, capture_output=True, timeout=120, check=False
        )


@pytest.fixture
def shell(daemon: RealDaemon, tmp_path: Path) -> Shell:
    folder = tmp_path / "user"
    folder.mkdir()
    (folder / "small.txt").write_text("größer ✓\n")
    (folder / "large.bin").write_bytes(os.urandom(1 << 20) * 21)
    return Shell(folder, daemon)


@pytest.mark.parametrize("name", ["small.txt", "large.bin"])
def test_store_and_link_print_the_same_uri(shell: Shell, name: str) -> None:
    for command in (["kachery-store", name], ["kachery-link", name], ["kachery-client", "store-file", name]):
        (uri,) = shell.both(*command)
        assert uri.startswith("sha1://") and f"/{name}" in uri
    (uri,) = shell.both("kachery-client", "link-file", name)


@pytest.mark.parametrize("name", ["small.txt", "large.bin"])
def test_load_and_cat_print_the_same(shell: Shell, name: str) -> None:
    (uri,) = shell.both("kachery-store", name)
    content = (shell.folder / name).read_bytes()
    (path,) = shell.both("kachery-load", uri)
    assert Path(path).read_bytes() == content
    shell.both("kachery-client", "load-file", uri)
    for call in (shell.published, shell.ours):
        result = call("kachery-load", uri, "--dest", "copy")
        assert result.returncode == 0 and result.stdout == b"copy\n"
        assert (shell.folder / "copy").read_bytes() == content
        (shell.folder / "copy").unlink()
    for range_ in ([], ["--start", "0", "--end", "3"], ["--start=2", "--end=2"]):
        theirs, ours = shell.published("kachery-cat", uri, *range_), shell.ours("kachery-cat", uri, *range_)
        assert ours.returncode == theirs.returncode == 0
        assert ours.stdout == theirs.stdout


def test_a_file_of_this_machine_is_taken_as_it_is(shell: Shell) -> None:
    assert shell.both("kachery-load", "small.txt") == ["small.txt"]
    assert shell.both("kachery-load", "small.txt", "--dest", "copy") == ["copy"]
    assert shell.both("kachery-cat", "small.txt") == ["größer ✓"]
    assert shell.both("kachery-cat", "small.txt", "--start", "0", "--end", "2") == ["gr"]


def test_options_without_a_meaning_are_accepted(shell: Shell) -> None:
    """Their service no longer exists. Our commands say so on standard error, and continue."""
    uri = shell.ours("kachery-store", "small.txt").stdout.decode().strip()
    calls: dict[str, list[str]] = {
        "--upload-to-channel": ["kachery-store", "small.txt", "--upload-to-channel", "x"],
        "--single-chunk": ["kachery-store", "small.txt", "--single-chunk"],
        "--direct-channel": ["kachery-load", uri, "--direct-channel", "x"],
        "--enable-ephemeral": ["kachery-cat", uri, "--enable-ephemeral"],
        "-e": ["kachery-info", "-e"],
    }
    for option, call in calls.items():
        result = shell.ours(*call)
        assert result.returncode == 0, result.stderr
        assert f"Note: {option} has no effect".encode() in result.stderr
        assert shell.ours(*[word for word in call if word not in (option, "x")]).stdout == result.stdout


def test_info_names_the_node_in_the_same_lines(shell: Shell, daemon: RealDaemon) -> None:
    theirs = shell.published("kachery-info").stdout.decode().splitlines()
    ours = shell.ours("kachery-info").stdout.decode().splitlines()
    assert ours[0] == theirs[0] == f"Node ID: {daemon.probe['nodeId']}"
    assert ours[-1] == theirs[-1] == "You have access to this daemon"


def test_the_version_is_told_in_the_same_form(shell: Shell) -> None:
    theirs = shell.published("kachery-client", "version").stdout.decode()
    ours = shell.ours("kachery-client", "version").stdout.decode()
    assert theirs.rsplit(" ", 1)[0] == ours.rsplit(" ", 1)[0] == "This is kachery_client version"


def test_what_is_absent_is_an_error_where_it_was_none(shell: Shell) -> None:
    """The one difference: the published command prints "None" and succeeds, so scripts continue with a wrong name."""
    theirs, ours = shell.published("kachery-load", ABSENT), shell.ours("kachery-load", ABSENT)
    assert (theirs.returncode, theirs.stdout) == (0, b"None\n")
    assert (ours.returncode, ours.stdout) == (3, b"")
    assert ours.stderr.startswith(b"Error: ")
