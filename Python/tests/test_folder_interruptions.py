"""Folders whose load is interrupted: what is left does not look whole, and the next load continues."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import threading
import time
from pathlib import Path

import pytest

import kachery_p2p as kp
from kachery_p2p._directory import Folder
from kachery_p2p._folder_destination import written_files
from kachery_p2p._load import copy_file as copy
from real_daemon import program
from storage_layout import read_folder, stored_path


@pytest.fixture
def uri(offline: Path, tmp_path: Path) -> str:
    (tmp_path / "data" / "sub").mkdir(parents=True)
    for name in ("a", "b", "sub/c"):
        (tmp_path / "data" / name).write_text(f"content of {name}")
    return kp.store_dir(str(tmp_path / "data"))


def interrupt(monkeypatch: pytest.MonkeyPatch, uri: str, dest: Path, after: int = 2) -> None:
    """Presses Ctrl-C when some files are written."""
    copied: list[str] = []

    def copy_file(path: str, to: str) -> str:
        if len(copied) == after:
            raise KeyboardInterrupt
        copied.append(to)
        return copy(path, to)

    with monkeypatch.context() as context:
        context.setattr("kachery_p2p._folders.copy_file", copy_file)
        with pytest.raises(KeyboardInterrupt):
            kp.load_dir(uri, str(dest))


def hidden(tmp_path: Path) -> list[Path]:
    return sorted(tmp_path.glob(".out.*.kachery-partial"))


def is_whole(dest: Path, tmp_path: Path) -> bool:
    return subprocess.run(["diff", "-r", str(tmp_path / "data"), str(dest)], check=False).returncode == 0


def test_a_new_folder_appears_when_it_is_whole(
    offline: Path, uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dest = tmp_path / "out"
    interrupt(monkeypatch, uri, dest)
    assert not dest.exists()
    (left,) = hidden(tmp_path)
    assert sorted(os.listdir(left)) == ["a", "b", "sub"]
    # What is written is not loaded again; what is damaged is, and what does not belong there goes.
    stored_path(offline, read_folder(uri)["files"]["a"]["sha1"]).unlink()
    (left / "b").write_text("damaged")
    (left / ".kachery-x").write_text("left by a killed process")
    assert kp.load_dir(uri, f"{dest}/./", strict=True) == f"{dest}/./"
    assert is_whole(dest, tmp_path) and hidden(tmp_path) == []


def test_a_folder_that_exists_is_marked_until_it_is_whole(
    uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dest = tmp_path / "out"
    dest.mkdir()
    interrupt(monkeypatch, uri, dest)
    (marker,) = dest.glob("unfinished-*.kachery-partial")
    assert b"load the folder again" in marker.read_bytes()
    kp.load_dir(uri, str(dest), strict=True)
    assert is_whole(dest, tmp_path) and hidden(tmp_path) == []


def test_a_folder_that_appears_meanwhile_is_filled(uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dest = tmp_path / "out"
    interrupt(monkeypatch, uri, dest, after=1)

    def copy_file(path: str, to: str) -> str:
        dest.mkdir(exist_ok=True)
        (dest / "other").write_text("stays")
        return copy(path, to)

    monkeypatch.setattr("kachery_p2p._folders.copy_file", copy_file)
    kp.load_dir(uri, str(dest), strict=True)
    assert (dest / "other").read_text() == "stays"
    (dest / "other").unlink()
    assert is_whole(dest, tmp_path) and hidden(tmp_path) == []


def test_two_loads_of_one_folder_both_succeed(uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dest = tmp_path / "out"
    meeting = threading.Event()
    outcomes: list[str | None] = []
    other = threading.Thread(target=lambda: outcomes.append(kp.load_dir(uri, str(dest), strict=True)))

    def copy_file(path: str, to: str) -> str:
        if threading.current_thread() is not other and not meeting.is_set():
            meeting.set()
            other.start()  # it waits for the lock
        return copy(path, to)

    monkeypatch.setattr("kachery_p2p._folders.copy_file", copy_file)
    kp.load_dir(uri, str(dest), strict=True)
    other.join(timeout=60)
    assert outcomes == [str(dest)] and is_whole(dest, tmp_path) and hidden(tmp_path) == []


def test_a_folder_that_another_load_finishes_meanwhile_is_loaded_again(
    uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dest = tmp_path / "out"
    interrupt(monkeypatch, uri, dest)

    def find_written(path: str, folder: Folder) -> set[str]:
        found = written_files(path, folder)
        monkeypatch.setattr("kachery_p2p._folders.written_files", written_files)
        kp.load_dir(uri, path, strict=True)
        return found

    monkeypatch.setattr("kachery_p2p._folders.written_files", find_written)
    kp.load_dir(uri, str(dest), strict=True)
    assert is_whole(dest, tmp_path) and hidden(tmp_path) == []


def test_the_command_loads_again_what_another_finishes_meanwhile(
    uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dest = tmp_path / "out"
    interrupt(monkeypatch, uri, dest)
    (left,) = hidden(tmp_path)
    folder = os.open(left, os.O_RDONLY)
    fcntl.flock(folder, fcntl.LOCK_EX)
    with subprocess.Popen([str(program("kachery")), "load-dir", uri, "--dest", str(dest)]) as command:
        deadline = time.monotonic() + 60
        while str(left) not in open_files(command.pid):
            assert time.monotonic() < deadline, "the command does not wait for the folder's lock"
            time.sleep(0.01)
        left.rename(dest)
        os.close(folder)
        assert command.wait(timeout=60) == 0
    assert is_whole(dest, tmp_path) and hidden(tmp_path) == []


def open_files(pid: int) -> set[str]:
    return {os.path.realpath(link) for link in Path(f"/proc/{pid}/fd").iterdir()}


def test_the_command_continues_what_python_began(
    offline: Path, uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dest = tmp_path / "out"
    interrupt(monkeypatch, uri, dest)
    stored_path(offline, read_folder(uri)["files"]["a"]["sha1"]).unlink()
    command = str(program("kachery"))
    subprocess.run([command, "load-dir", uri, "--dest", str(dest)], check=True, timeout=60)
    assert is_whole(dest, tmp_path) and hidden(tmp_path) == []


def test_a_hidden_folder_that_leads_elsewhere_is_refused(
    uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupt(monkeypatch, uri, tmp_path / "out")
    (left,) = hidden(tmp_path)
    shutil.rmtree(left)
    (tmp_path / "trap").mkdir()
    (tmp_path / "trap" / "kept").write_text("precious")
    left.symlink_to("trap")
    with pytest.raises(kp.BadRequest, match="belongs to someone else"):
        kp.load_dir(uri, str(tmp_path / "out"))
    assert os.listdir(tmp_path / "trap") == ["kept"]
