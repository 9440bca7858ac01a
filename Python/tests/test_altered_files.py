"""Files that are altered after they were stored, copies of read-only files, and contents linked at several places."""

from __future__ import annotations

import hashlib
import os
import stat
import time
from pathlib import Path
from typing import Any, Callable

import numpy as np
import pytest

import kachery_p2p as kp
from kachery_p2p import _checking
from kachery_p2p._local_store import CHUNK_SIZE
from real_daemon import RealDaemon
from storage_layout import load_path


@pytest.fixture(params=["offline", "daemon"])
def storage(request: pytest.FixtureRequest) -> Path:
    """A storage directory, without a daemon and with one."""
    if request.param == "offline":
        directory: Path = request.getfixturevalue("offline")
        return directory
    daemon: RealDaemon = request.getfixturevalue("daemon")
    return daemon.storage


def alter(path: str | Path, *, restoring_time: bool = False) -> None:
    """Changes a byte, as root and the owner can. The change time of the file also changes."""
    before = os.stat(path)
    while True:
        os.chmod(path, 0o644)
        with open(path, "r+b") as file:
            file.seek(1)
            file.write(b"\xff")
        if restoring_time:
            os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        if os.stat(path).st_ctime_ns != before.st_ctime_ns:
            return
        time.sleep(0.001)


def store(tmp_path: Path, content: bytes) -> str:
    path = tmp_path / "source.bin"
    path.write_bytes(content)
    return kp.store_file(str(path))


@pytest.mark.parametrize("restoring_time", [False, True])
@pytest.mark.parametrize("size", [1_000, 3_000_000])
def test_an_altered_file_is_not_given(storage: Path, tmp_path: Path, size: int, restoring_time: bool) -> None:
    uri = store(tmp_path, bytes(size))
    path = load_path(uri)
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o444
    alter(path, restoring_time=restoring_time)
    with pytest.raises(kp.HashMismatch, match="altered since it was stored"):
        kp.load_file(uri, strict=True)
    assert os.listdir(storage / "kachery-node" / "damaged") == [hashlib.sha1(bytes(size)).hexdigest()]
    assert kp.load_file(uri) is None
    assert store(tmp_path, bytes(size)) == uri
    assert kp.load_file(uri, strict=True) == path


@pytest.mark.parametrize(
    "load",
    [
        lambda uri, dest: kp.load_text(uri, strict=True),
        lambda uri, dest: kp.load_json(uri, strict=True),
        lambda uri, dest: kp.load_pkl(uri, strict=True),
        lambda uri, dest: kp.load_npy(uri, strict=True),
        lambda uri, dest: kp.load_npy(uri, strict=True, mmap_mode="r"),
        lambda uri, dest: kp.load_bytes(uri, 0, 5, strict=True),
        lambda uri, dest: kp.load_file(uri, dest, strict=True),
        lambda uri, dest: kp.open(uri),
    ],
)
def test_no_way_gives_an_altered_file(storage: Path, tmp_path: Path, load: Callable[[str, str], object]) -> None:
    uri = store(tmp_path, bytes(3_000_000))
    alter(load_path(uri))
    with pytest.raises(kp.HashMismatch):
        load(uri, str(tmp_path / "copy"))
    assert not (tmp_path / "copy").exists()


def test_without_a_daemon_a_very_large_file_is_hashed_when_all_of_it_is_read(offline: Path, tmp_path: Path) -> None:
    uri = store(tmp_path, bytes(CHUNK_SIZE + 1))
    alter(load_path(uri))
    with pytest.raises(kp.HashMismatch):
        kp.load_file(uri, str(tmp_path / "copy"), strict=True)
    assert kp.load_file(uri) is None


def test_what_was_found_right_is_not_hashed_again(
    offline: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri = store(tmp_path, bytes(1_000))
    path = load_path(uri)
    hashed = []

    def hash_of(path: str) -> str:
        hashed.append(path)
        return hashlib.sha1(bytes(1_000)).hexdigest()

    monkeypatch.setattr(_checking, "_hash", hash_of)
    assert kp.load_file(uri, strict=True) == path and hashed == []
    os.utime(path)
    assert kp.load_file(uri, strict=True) == path and hashed == [path]


@pytest.mark.parametrize("size", [1_000, 3_000_000])
def test_a_whole_copy_replaces_an_altered_one(storage: Path, tmp_path: Path, size: int) -> None:
    uri = store(tmp_path, bytes(size))
    path = load_path(uri)
    alter(path, restoring_time=True)
    assert store(tmp_path, bytes(size)) == uri
    with open(path, "rb") as file:
        assert file.read() == bytes(size)


def test_a_linked_file_that_looks_the_same_and_is_not_is_refused(storage: Path, tmp_path: Path) -> None:
    target = tmp_path / "target.bin"
    target.write_bytes(bytes(1_000))
    uri = kp.link_file(str(target))
    assert kp.load_file(uri, strict=True) == str(target)
    alter(target, restoring_time=True)
    with pytest.raises(kp.FileChanged, match="since it was linked"):
        kp.load_file(uri, strict=True)
    assert kp.load_file(uri) is None
    assert target.exists()


def test_the_other_place_of_a_linked_file_serves(storage: Path, tmp_path: Path) -> None:
    for name in ("first", "second", "third"):
        (tmp_path / name).write_bytes(b"the same")
        uri = kp.link_file(str(tmp_path / name))
    assert kp.load_file(uri, strict=True) == str(tmp_path / "third")
    (tmp_path / "third").unlink()
    (tmp_path / "first").unlink()
    assert kp.load_file(uri, strict=True) == str(tmp_path / "second")
    (tmp_path / "second").unlink()
    assert kp.load_file(uri) is None


def test_loading_a_linked_file_to_where_it_is_leaves_it_alone(storage: Path, tmp_path: Path) -> None:
    target = tmp_path / "target.bin"
    target.write_bytes(b"linked")
    uri = kp.link_file(str(target))
    (tmp_path / "soft").symlink_to(target)
    os.link(target, tmp_path / "hard")
    before = target.stat()
    for name in ("target.bin", "soft", "hard"):
        assert kp.load_file(uri, str(tmp_path / name), strict=True) == str(tmp_path / name)
        assert kp.load_file(uri, strict=True) == str(target)
    assert (target.stat().st_ino, target.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_a_copy_can_be_written(storage: Path, tmp_path: Path) -> None:
    uri = store(tmp_path, b"some bytes")
    path = load_path(uri)
    copy = tmp_path / "copy"
    kp.load_file(uri, str(copy), strict=True)
    assert stat.S_IMODE(copy.stat().st_mode) == 0o666 & ~umask()
    copy.unlink()
    os.link(path, copy)
    kp.load_file(uri, str(copy), strict=True)
    copy.write_bytes(b"other")
    assert kp.load_bytes(uri, 0, 10, strict=True) == b"some bytes"
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "a.bin").write_bytes(b"some bytes")
    kp.load_dir(kp.store_dir(str(tmp_path / "folder")), str(tmp_path / "copies"), strict=True)
    assert stat.S_IMODE((tmp_path / "copies" / "a.bin").stat().st_mode) == 0o666 & ~umask()


def umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


def test_a_mapped_array_may_be_written_in_memory(storage: Path) -> None:
    uri = kp.store_npy(np.zeros(10))
    mapped: Any = kp.load_npy(uri, strict=True, mmap_mode="c")
    mapped[0] = 1
    assert np.array_equal(kp.load_npy(uri, strict=True), np.zeros(10))
