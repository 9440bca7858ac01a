"""The package with a storage directory and without a daemon."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import NoReturn

import numpy as np
import pytest

import kachery_p2p as kp
from kachery_p2p._local_store import CHUNK_SIZE
from real_daemon import free_port
from storage_layout import load_path, stored_path

ABSENT = "sha1://" + "0" * 40


def sha1(content: bytes) -> str:
    return hashlib.sha1(content).hexdigest()


def test_text_json_and_arrays_come_back(offline: Path) -> None:
    assert kp.load_text(kp.store_text("größer ✓\r\n")) == "größer ✓\r\n"
    value = {"a": [1, 2.5, "ü"], "b": None}
    assert kp.load_json(kp.store_json(value)) == value
    array = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
    loaded = kp.load_npy(kp.store_npy(array))
    assert loaded is not None and loaded.dtype == array.dtype and np.array_equal(loaded, array)


def test_uris_carry_the_hash_and_the_label(offline: Path, tmp_path: Path) -> None:
    path = tmp_path / "data.bin"
    path.write_bytes(b"12345")
    assert kp.store_file(str(path)) == f"sha1://{sha1(b'12345')}/data.bin"
    assert kp.store_file(str(path), basename="other.bin") == f"sha1://{sha1(b'12345')}/other.bin"
    assert kp.store_text("x") == f"sha1://{sha1(b'x')}/file.txt"
    assert kp.store_json([1, {"a": 2}]) == "sha1://" + sha1(b'[1,{"a":2}]') + "/file.json"
    assert kp.store_npy(np.zeros(2)).endswith("/file.npy")


def test_the_layout_is_that_of_every_kachery_software(offline: Path) -> None:
    kp.store_text("layout")
    path = stored_path(offline, sha1(b"layout"))
    assert path.read_bytes() == b"layout"
    assert path.stat().st_mode & 0o777 == 0o444
    assert os.listdir(offline / "kachery-node" / "temporary") == []


def test_an_empty_file_can_be_stored(offline: Path, tmp_path: Path) -> None:
    path = tmp_path / "empty"
    path.touch()
    uri = kp.store_file(str(path))
    assert uri == "sha1://da39a3ee5e6b4b0d3255bfef95601890afd80709/empty"
    assert os.path.getsize(load_path(uri)) == 0


@pytest.mark.parametrize("extra", [-1, 0, 1, CHUNK_SIZE, CHUNK_SIZE + 1])
def test_large_files_get_the_manifest_that_every_client_writes(offline: Path, tmp_path: Path, extra: int) -> None:
    content = bytes(range(251)) * (2 * CHUNK_SIZE // 251 + 251)
    content = content[: CHUNK_SIZE + extra]
    path = tmp_path / "large.bin"
    path.write_bytes(content)
    uri = kp.store_file(str(path))
    if extra <= 0:
        assert "manifest" not in uri
        return
    chunks = [
        {
            "start": start,
            "end": min(start + CHUNK_SIZE, len(content)),
            "sha1": sha1(content[start : start + CHUNK_SIZE]),
        }
        for start in range(0, len(content), CHUNK_SIZE)
    ]
    expected = json.dumps(
        {"size": len(content), "sha1": sha1(content), "chunks": chunks}, separators=(",", ":")
    ).encode()
    assert uri == f"sha1://{sha1(content)}/large.bin?manifest={sha1(expected)}"
    assert stored_path(offline, sha1(expected)).read_bytes() == expected
    assert stored_path(offline, sha1(content)).read_bytes() == content


def test_storing_again_keeps_the_file_that_is_there(offline: Path) -> None:
    kp.store_text("once")
    before = stored_path(offline, sha1(b"once")).stat()
    kp.store_text("once")
    after = stored_path(offline, sha1(b"once")).stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


def test_a_failed_store_leaves_nothing_behind(offline: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: object) -> NoReturn:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", broken)
    with pytest.raises(kp.DiskFull):
        kp.store_text("never")
    assert not stored_path(offline, sha1(b"never")).exists()
    assert os.listdir(offline / "kachery-node" / "temporary") == []


def test_what_is_absent_is_none_and_says_why(offline: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert kp.load_file(ABSENT) is None
    assert kp.load_text(ABSENT) is None
    assert kp.load_json(ABSENT) is None
    assert kp.load_npy(ABSENT) is None
    assert len(caplog.records) == 4
    assert "offline mode" in caplog.records[0].getMessage() and ABSENT in caplog.records[0].getMessage()


def test_strict_raises_what_is_otherwise_none(offline: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(kp.NotFound) as failure:
        kp.load_text(ABSENT, strict=True)
    assert failure.value.code == "not_found"
    monkeypatch.setenv("KACHERY_STRICT", "1")
    with pytest.raises(kp.NotFound):
        kp.load_file(ABSENT)
    assert kp.load_file(ABSENT, strict=False) is None


def test_a_destination_is_written_whole(offline: Path, tmp_path: Path) -> None:
    uri = kp.store_text("copy me")
    dest = tmp_path / "there.txt"
    dest.write_text("old")
    assert kp.load_file(uri, dest=str(dest)) == str(dest)
    assert dest.read_text() == "copy me"
    assert sorted(os.listdir(tmp_path)) == ["offline", "there.txt"]
    with pytest.raises(kp.BadRequest):
        kp.load_file(uri, dest=str(tmp_path))
    with pytest.raises(FileNotFoundError):
        kp.load_file(uri, dest=str(tmp_path / "no" / "folder"))


def test_links_serve_while_their_target_is_unchanged(offline: Path, tmp_path: Path) -> None:
    target = tmp_path / "target.txt"
    target.write_text("linked")
    path = stored_path(offline, sha1(b"linked"))
    path.parent.mkdir(parents=True)
    status = target.stat()
    link = {"path": str(target), "manifestSha1": None, "stat": {"size": status.st_size, "mtime": status.st_mtime}}
    (path.parent / f"{path.name}.link").write_text(json.dumps(link))
    uri = f"sha1://{sha1(b'linked')}"
    assert kp.load_file(uri) == str(target)
    os.utime(target, (status.st_atime, status.st_mtime + 1))
    assert kp.load_file(uri) is None
    (path.parent / f"{path.name}.link").write_text("{}")
    assert kp.load_file(uri) is None


def test_files_inside_stored_folders_are_found(offline: Path) -> None:
    inner = sha1(b"inner")
    kp.store_text("inner")
    document = {"files": {}, "dirs": {"sub": {"files": {"a.txt": {"size": 5, "sha1": inner}}, "dirs": {}}}}
    digest = kp.store_json(document)[len("sha1://") :].partition("/")[0]
    assert kp.load_text(f"sha1dir://{digest}.label/sub/a.txt") == "inner"
    assert kp.load_text(f"sha1dir://{digest}/sub/b.txt") is None
    assert kp.load_text(f"sha1dir://{digest}/none/a.txt") is None


def test_mistakes_of_the_caller_raise(offline: Path, tmp_path: Path) -> None:
    with pytest.raises(kp.NotFound):
        kp.store_file(str(tmp_path / "absent"))
    with pytest.raises(kp.BadRequest):
        kp.store_file(str(tmp_path))
    with pytest.raises(kp.BadRequest):
        kp.store_json({"a": float("nan")})
    with pytest.raises(kp.BadRequest):
        kp.store_npy(np.array([object()]))
    with pytest.raises(kp.BadRequest):
        kp.load_file("sha1://short")
    with pytest.raises(kp.NotFound):
        kp.load_file(str(tmp_path / "absent"))


def test_a_local_path_is_answered_as_it_is(offline: Path, tmp_path: Path) -> None:
    path = tmp_path / "plain.txt"
    path.write_text("plain")
    assert kp.load_file(str(path)) == str(path)
    assert kp.load_text(str(path)) == "plain"


def test_what_needs_a_daemon_says_so(offline: Path) -> None:
    for call in (kp.get_node_id, kp.get_channels, lambda: kp.get("a"), lambda: kp.set("a", 1), lambda: kp.delete("a")):
        with pytest.raises(kp.NoDaemon, match="KACHERY_OFFLINE_STORAGE_DIR"):
            call()


def test_the_storage_directory_serves_alone_where_no_daemon_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KACHERY_P2P_API_PORT", str(free_port()))
    with pytest.raises(kp.NoDaemon, match="kachery-p2p-start-daemon"):
        kp.store_text("nowhere")
    monkeypatch.setenv("KACHERY_STORAGE_DIR", str(tmp_path / "storage"))
    assert kp.load_text(kp.store_text("somewhere")) == "somewhere"


def test_files_may_be_those_of_another_directory(offline: Path, tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    (shared / "sha1").mkdir(parents=True)
    offline.mkdir()
    (offline / "sha1").symlink_to(shared / "sha1")
    uri = kp.store_text("for both")
    assert kp.load_file(uri) == str(stored_path(shared, sha1(b"for both")))
    assert os.listdir(offline) == ["sha1"]
    (shared / "sha1").rename(tmp_path / "unmounted")
    with pytest.raises(kp.KacheryError, match="mount that folder, or correct the link"):
        kp.store_text("not stored")
    assert os.listdir(offline) == ["sha1"]
