"""Messages of the scripts of `make` on incomplete machines. Stand-ins replace the programs that they call."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

DEPLOY = Path(__file__).parents[2] / "Deploy"
TOOLS = ["bash", "env", "cat", "dirname", "grep", "head", "ldd", "paste", "readlink", "sed", "sort"]
NO_LIBRARY = "swift: error while loading shared libraries: libncurses.so.6: cannot open shared object file"


class Machine:
    """A folder of programs: the tools of every system, and the stand-ins that a test adds."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        for tool in TOOLS:
            path = shutil.which(tool)
            assert path is not None, tool
            (folder / tool).symlink_to(path)
        self.add("id", "echo 0")
        self.add("dpkg-query", "exit 1")
        self.add("swift", "echo 'Swift version 6.2.1 (swift-6.2.1-RELEASE)'")

    def add(self, name: str, script: str) -> None:
        path = self.folder / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    def run(self, script: str, *arguments: str, **variables: str) -> tuple[int, str, str]:
        run = subprocess.run(
            [str(DEPLOY / script), *arguments],
            env={"PATH": str(self.folder), **variables}, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        return run.returncode, run.stdout, run.stderr


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path / "bin")


def packages(line: str) -> set[str]:
    return set(line.partition("installing ")[2].split())


def test_what_swift_needs_is_installed_before_it_is_asked(machine: Machine, tmp_path: Path) -> None:
    installed = tmp_path / "installed"
    machine.add("apt-get", f"""case "$*" in *install*) echo "$@" >'{installed}' ;; esac""")
    machine.add(
        "swift", f"""[ -e '{installed}' ] || {{ echo '{NO_LIBRARY}' >&2; exit 127; }}; echo 'Swift version 6.2'"""
    )
    code, output, errors = machine.run("install-dependencies.sh", "--build")
    assert (code, errors) == (0, "") and "Dependencies: installed." in output
    assert {"libncurses6", "libxml2", "binutils", "libuv1-dev"} <= set(installed.read_text().split())


def test_each_target_asks_for_what_it_needs(machine: Machine) -> None:
    machine.add("apt-get", "exit 0")
    asked = {
        option: packages(machine.run("install-dependencies.sh", *option.split())[1].splitlines()[0])
        for option in ("--build", "--demo", "", "--bench", "--lint")
    }
    assert asked["--build"] < asked["--demo"] < asked[""] < asked["--bench"]
    assert "curl" in asked["--demo"] - asked["--build"]
    assert {"shellcheck", "python3-venv", "libncurses6"} <= asked["--lint"] < asked[""]
    assert "libuv1-dev" not in asked["--lint"] and "shellcheck" not in asked["--demo"]
    assert {"python3", "python3-venv", "systemd", "util-linux"} <= asked[""] - asked["--demo"]
    _, output, _ = machine.run("install-dependencies.sh", "--list")
    assert asked["--bench"] <= set(output.split())


def test_a_toolchain_that_does_not_start_says_why(machine: Machine) -> None:
    machine.add("swift", f"echo '{NO_LIBRARY}' >&2; exit 127")
    machine.add("apt-get", "exit 0")
    code, _, errors = machine.run("install-dependencies.sh")
    assert code == 1 and "does not start" in errors and NO_LIBRARY in errors


@pytest.mark.parametrize(
    ("script", "words"),
    [("rm -f x; exit 127", "does not start"), ("echo 'Swift version 5.10.1 (x)'", "this is Swift 5.10"),
     ("echo 'Swift version 6.1 (x)'", "6.2 or later")],
)  # fmt: skip
def test_a_wrong_toolchain_is_told(machine: Machine, script: str, words: str) -> None:
    machine.add("swift", script)
    machine.add("apt-get", "exit 0")
    code, _, errors = machine.run("install-dependencies.sh", "--build")
    assert code == 1 and words in errors


def test_no_toolchain_is_told_before_anything_is_installed(machine: Machine) -> None:
    (machine.folder / "swift").unlink()
    machine.add("apt-get", "echo apt-get was called >&2")
    code, _, errors = machine.run("install-dependencies.sh")
    assert code == 1 and "no 'swift' on the PATH" in errors and "www.swift.org" in errors and "was called" not in errors
    assert "sudo sets for root" in machine.run("install-dependencies.sh", SUDO_USER="anna")[2]


def test_who_is_not_root_and_has_no_sudo_is_told_what_is_missing(machine: Machine) -> None:
    machine.add("id", "echo 1000")
    machine.add("swift", f"echo '{NO_LIBRARY}' >&2; exit 127")
    code, _, errors = machine.run("install-dependencies.sh", "--build")
    assert code == 1 and NO_LIBRARY in errors
    assert "You are not root, and there is no sudo" in errors and "apt-get install" in errors
    assert "libuv1-dev" in errors and "python3-venv" not in errors


def test_a_refused_sudo_is_not_the_network(machine: Machine) -> None:
    machine.add("id", "echo 1000")
    machine.add("sudo", "echo 'anna is not in the sudoers file.' >&2; exit 1")
    code, _, errors = machine.run("install-dependencies.sh", "--build")
    assert code == 1 and "anna is not in the sudoers file." in errors
    assert "sudo did not allow you to install them" in errors and "libuv1-dev" in errors and "network" not in errors


@pytest.mark.parametrize("command", ["update", "install"])
def test_apt_speaks_for_itself(machine: Machine, command: str) -> None:
    words = "E: the disk of the mirror is full"
    machine.add("apt-get", f"""case "$*" in *{command}*) echo '{words}' >&2; exit 100 ;; esac""")
    code, _, errors = machine.run("install-dependencies.sh", "--build")
    assert code == 1 and words in errors and "output is above" in errors


def test_a_system_without_dpkg_is_left_to_its_user(machine: Machine) -> None:
    (machine.folder / "dpkg-query").unlink()
    code, _, errors = machine.run("install-dependencies.sh", "--build")
    assert code == 0 and "this is not a Debian system" in errors and "libuv1-dev" in errors


def test_a_python_that_takes_no_packages_is_told_before_building(machine: Machine) -> None:
    machine.add("own", "exit 0")
    machine.add("bare", "exit 1")
    machine.add("systems", """[ "$1" = -m ]""")
    assert machine.run("check-python.sh", "own")[0] == 0
    for name, words in [("absent", "no Python"), ("bare", "has no pip"), ("systems", "belongs to the system")]:
        code, _, errors = machine.run("check-python.sh", name)
        assert code == 1 and words in errors and "python3 -m venv" in errors


def test_skipped_tests_are_counted_by_reason(tmp_path: Path) -> None:
    (tmp_path / "swift.xml").write_text(
        "<testsuites><testsuite><testcase name='a'/>"
        "<testcase name='b'><skipped>needs root</skipped></testcase></testsuite></testsuites>"
    )
    (tmp_path / "python.xml").write_text(
        "<testsuites><testsuite><testcase name='c'><skipped message='needs root'>place: needs root</skipped></testcase>"
        "<testcase name='d'><skipped message='an old client'/></testcase><testcase name='e'/></testsuite></testsuites>"
    )
    command = [sys.executable, str(DEPLOY / "say-skipped.py"), str(tmp_path)]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    assert lines == ["", "5 tests: 2 passed, 3 skipped.", "  2 skipped: needs root", "  1 skipped: an old client"]
    empty = tmp_path / "empty"
    empty.mkdir()
    assert subprocess.run([*command[:-1], str(empty)], capture_output=True, check=False).returncode == 1
