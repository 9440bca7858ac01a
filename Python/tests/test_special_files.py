"""Pipes, devices, links, made-up files, users without a home: what is there keeps its kind, and nothing waits."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

import kachery_client as kc
import kachery_p2p as kp
from kachery_p2p import _environment
from real_daemon import RealDaemon, program


@pytest.fixture
def uri(offline: Path) -> str:
    return kp.store_text("hello")


def test_a_pipe_is_written_to(uri: str, tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    read: list[str] = []
    reader = threading.Thread(target=lambda: read.append(path.read_text()), daemon=True)
    reader.start()
    assert kp.load_file(uri, dest=str(path)) == str(path)
    reader.join(20)
    assert read == ["hello"] and stat.S_ISFIFO(path.stat().st_mode)


def test_a_device_is_written_to(uri: str) -> None:
    # A terminal of its own: what would replace it could not.
    end, terminal = os.openpty()
    path = os.ttyname(terminal)
    try:
        assert kp.load_file(uri, dest=path) == path
        assert os.read(end, 100) == b"hello" and stat.S_ISCHR(os.stat(path).st_mode)
    finally:
        os.close(end)
        os.close(terminal)


def test_a_link_stays_and_its_target_is_replaced(uri: str, tmp_path: Path) -> None:
    (tmp_path / "target").write_text("old")
    (tmp_path / "link").symlink_to("target")
    (tmp_path / "dangling").symlink_to("new")
    for name, target in (("link", "target"), ("dangling", "new")):
        kp.load_file(uri, dest=str(tmp_path / name))
        assert (tmp_path / name).is_symlink() and (tmp_path / target).read_text() == "hello"


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o755])
def test_a_file_keeps_its_permissions(uri: str, tmp_path: Path, mode: int) -> None:
    (tmp_path / "private").touch()
    (tmp_path / "private").chmod(mode)
    kc.load_file(uri, dest=str(tmp_path / "private"))
    assert stat.S_IMODE((tmp_path / "private").stat().st_mode) == mode


def test_a_destination_that_cannot_be_is_named_before_anything_is_loaded(offline: Path, tmp_path: Path) -> None:
    absent = "sha1://" + "0" * 40
    with pytest.raises(FileNotFoundError, match=r"no folder .*/missing to write x to") as failure:
        kp.load_file(absent, dest=str(tmp_path / "missing" / "x"))
    assert isinstance(failure.value, kp.KacheryError)
    for dest in (str(tmp_path), f"{tmp_path}/x/"):
        with pytest.raises(IsADirectoryError, match="is a folder"):
            kp.load_file(absent, dest=dest)
    with pytest.raises(kp.BadRequest, match="empty"):
        kp.load_file(absent, dest="")
    assert os.listdir(tmp_path) == ["offline"] or not os.listdir(tmp_path)


@pytest.fixture
def special(tmp_path: Path) -> Iterator[list[str]]:
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket"))
        yield [str(tmp_path / "pipe"), str(tmp_path / "socket"), "/dev/null"]


def test_what_is_no_file_is_refused_at_once(offline: Path, special: list[str], tmp_path: Path) -> None:
    for path in special:
        for call in (kp.store_file, kp.link_file):
            with pytest.raises(kp.BadRequest, match="device, pipe or socket"):
                call(path)
    with pytest.raises(kp.BadFolder, match="neither a file nor a folder"):
        kp.store_dir(os.path.dirname(special[0]))
    for call in (kp.store_file, kp.link_file):
        with pytest.raises(IsADirectoryError):
            call(str(tmp_path))
        with pytest.raises(FileNotFoundError):
            call(str(tmp_path / "missing"))


def test_what_is_no_file_is_refused_through_a_daemon(daemon: RealDaemon, special: list[str]) -> None:
    for path in special:
        for call in (kp.store_file, kp.link_file):
            with pytest.raises(kp.BadRequest, match="device, pipe or socket"):
                call(path)


MADE_UP = ["/proc/cpuinfo", "/sys/kernel/uevent_seqnum"]


@pytest.mark.parametrize("path", MADE_UP)
def test_files_that_the_kernel_makes_up_are_refused(offline: Path, path: str) -> None:
    for call in (kp.link_file, kp.store_file):
        with pytest.raises(kp.FileChanged):
            call(path)
    refused_by_the_commands({"KACHERY_OFFLINE_STORAGE_DIR": str(offline)}, path)


@pytest.mark.parametrize("path", MADE_UP)
def test_files_that_the_kernel_makes_up_are_refused_by_the_daemon(daemon: RealDaemon, path: str) -> None:
    for call in (kp.link_file, kp.store_file):
        with pytest.raises(kp.KacheryError):
            call(path)
    refused_by_the_commands(daemon.environment, path)


def refused_by_the_commands(environment: dict[str, str], path: str) -> None:
    for verb in ("link", "store"):
        run = subprocess.run(
            [str(program("kachery")), verb, path], env=environment, capture_output=True, timeout=60, check=False
        )
        assert run.returncode == 1 and path.encode() in run.stderr and run.stdout == b""


@pytest.mark.parametrize("home", [None, "", "/", "relative"])
def test_without_a_home_the_account_has_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, home: str | None) -> None:
    monkeypatch.delenv("HOME") if home is None else monkeypatch.setenv("HOME", home)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    script = "import os, pwd; print(pwd.getpwuid(os.geteuid()).pw_dir)"
    account = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.strip()
    assert _environment.cache_directory() == f"{account}/.cache/kachery"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert _environment.cache_directory() == f"{account}/.cache/kachery"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert _environment.cache_directory() == f"{tmp_path}/kachery"


def test_a_missing_temporary_folder_is_created(offline: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KACHERY_TEMP_DIR", str(tmp_path / "a" / "b"))
    assert kp.load_pkl(kp.store_pkl([1])) == [1] and os.listdir(tmp_path / "a" / "b") == []
    (tmp_path / "file").touch()
    monkeypatch.setenv("KACHERY_TEMP_DIR", str(tmp_path / "file"))
    with pytest.raises(kp.StorageFailed, match="KACHERY_TEMP_DIR"):
        kp.store_pkl([1])


def modes(store: Path) -> dict[str, int]:
    """The modes of a store's folders. Where a folder's name depends on the content, x stands for the name."""
    found = {}
    for folder, _, _ in os.walk(store):
        path = os.path.relpath(folder, store)
        name = path if path.startswith("kachery-node") else "/".join("x" for _ in path.split("/"))
        found[name] = stat.S_IMODE(os.stat(folder).st_mode)
    return found


@pytest.mark.parametrize("mode", [0o2775, 0o775, 0o2770, 0o755, 0o700, 0o777])
@pytest.mark.parametrize("umask", [0o022, 0o077, 0o002])
def test_a_store_keeps_the_modes_of_its_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: int, umask: int
) -> None:
    found = {}
    group = 65534 if os.geteuid() == 0 else os.getegid()
    for writer in ("python", "command"):
        store = tmp_path / writer
        store.mkdir()
        os.chown(store, -1, group)
        store.chmod(mode)
        monkeypatch.setenv("KACHERY_OFFLINE_STORAGE_DIR", str(store))
        (tmp_path / "x").write_text("x")
        old = os.umask(umask)
        try:
            if writer == "python":
                kp.store_file(str(tmp_path / "x"))
                kp.store_text("y")
            else:
                for text in ("x", "y"):
                    (tmp_path / text).write_text(text)
                    command = [str(program("kachery")), "store", str(tmp_path / text)]
                    environment = {"KACHERY_OFFLINE_STORAGE_DIR": str(store)}
                    subprocess.run(command, env=environment, capture_output=True, timeout=60, check=True)
        finally:
            os.umask(old)
        found[writer] = {path: bits for path, bits in modes(store).items() if path.count("/") or path == "x"}
        assert {os.stat(folder).st_gid for folder, _, _ in os.walk(store)} == {group}
    assert found["python"] == found["command"]
    assert {bits & 0o777 for path, bits in found["python"].items() if path.startswith("x")} == {mode & 0o777}
