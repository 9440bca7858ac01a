"""`make install` of programs that are built, where the toolchain is not on the PATH, as with sudo."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PATH = "/usr/local/bin:/usr/bin:/bin"  # as sudo sets it


def make(tree: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs make in a tree."""
    variables = {"PATH": f"{tree}/bin:{PATH}", "HOME": str(tree), **environment}
    return subprocess.run(
        ["make", *arguments], cwd=tree, env=variables, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Sources that are built. In place of the programs there are scripts, which print their arguments, or fail."""
    tree = tmp_path / "kachery"
    for folder in ("Sources", "CShims", "Tests", "bin", ".build/release"):
        (tree / folder).mkdir(parents=True)
    shutil.copy(ROOT / "Makefile", tree)
    shutil.copytree(ROOT / "Deploy", tree / "Deploy")
    (tree / "Package.swift").touch()
    for name in ("kachery", "kacheryd"):
        program = tree / ".build" / "release" / name
        program.write_text('#!/bin/sh\necho "$@"\n')
        program.chmod(0o755)
    (tree / ".build" / "built").touch()
    (tree / "bin" / "swift").write_text("#!/bin/sh\nexit 1\n")
    (tree / "bin" / "swift").chmod(0o755)
    return tree


def test_what_is_built_is_installed_without_the_toolchain(tree: Path, tmp_path: Path) -> None:
    prefix = tmp_path / "prefix"
    run = make(tree, "install", f"PREFIX={prefix}")
    assert run.returncode == 0, run.stderr
    names = {path.name for path in (prefix / "bin").iterdir()}
    assert {"kachery", "kacheryd", "kachery-store", "kachery-p2p-load", "kachery-client"} <= names
    manual = prefix / "share" / "man" / "man1"
    assert {path.name for path in manual.iterdir()} == {f"{name}.1" for name in names}
    assert {path.read_text() for path in manual.iterdir()} == {"manual\n"}
    assert make(tree, "uninstall", f"PREFIX={prefix}").returncode == 0
    assert not prefix.exists()


def test_what_is_not_built_is_not_installed(tree: Path, tmp_path: Path) -> None:
    os.utime(tree / ".build" / "built", (0, 0))
    run = make(tree, "install", f"PREFIX={tmp_path}/prefix", SUDO_UID="1000")
    assert run.returncode != 0 and "Run 'make build' without sudo first" in run.stderr
    assert not (tmp_path / "prefix").exists()


def test_a_python_without_pip_is_refused_before_anything_is_installed(tree: Path, tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\nexit 1\n")
    python.chmod(0o755)
    run = make(tree, "install", f"PREFIX={tmp_path}/prefix", f"PYTHON={python}")
    assert run.returncode != 0 and "has no pip" in run.stderr and "python3 -m venv" in run.stderr
    assert not (tmp_path / "prefix").exists()
