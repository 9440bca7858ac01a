"""The package with real daemons, as a lab uses them."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kachery_p2p as kp
from kachery_p2p.filesystem import KacheryFolderFileSystem
from losses import said
from real_daemon import CHANNEL, RealDaemon, StartDaemon, free_port, program
from storage_layout import load_path

ABSENT = "sha1://" + "0" * 40


def test_text_json_arrays_and_files_come_back(daemon: RealDaemon, tmp_path: Path) -> None:
    assert kp.load_text(kp.store_text("größer ✓")) == "größer ✓"
    assert kp.load_json(kp.store_json({"a": [1, None]})) == {"a": [1, None]}
    array = np.linspace(0, 1, 1000)
    assert np.array_equal(kp.load_npy(kp.store_npy(array)), array)
    path = tmp_path / "data.bin"
    path.write_bytes(os.urandom(100_000))
    uri = kp.store_file(str(path))
    dest = tmp_path / "copy.bin"
    assert kp.load_file(uri, dest=str(dest)) == str(dest)
    assert dest.read_bytes() == path.read_bytes()
    assert load_path(uri).startswith(str(daemon.storage))


def test_a_file_gets_the_same_uri_with_and_without_a_daemon(
    daemon: RealDaemon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "large.bin"
    path.write_bytes(os.urandom(1 << 20) * 45)
    online = kp.store_file(str(path))
    assert "?manifest=" in online
    array = np.arange(6_000_000)
    online_array = kp.store_npy(array)
    monkeypatch.setenv("KACHERY_OFFLINE_STORAGE_DIR", str(tmp_path / "offline"))
    assert kp.store_file(str(path)) == online
    assert kp.store_npy(array) == online_array


def test_the_node_is_the_one_that_the_directory_names(daemon: RealDaemon, monkeypatch: pytest.MonkeyPatch) -> None:
    assert kp.get_node_id() == (daemon.storage / "kachery-node-id").read_text() == daemon.probe["nodeId"]
    monkeypatch.delenv("KACHERY_P2P_API_PORT")
    assert kp.get_node_id(api_port=daemon.api_port) == daemon.probe["nodeId"]


@pytest.mark.parametrize("key", ["name", {"b": 1, "a": [1, 2]}, ["list", 1]])
def test_mutables_are_kept_replaced_and_deleted(daemon: RealDaemon, key: Any) -> None:
    assert kp.get(key) is None
    kp.set(key, {"value": ["ü", 1.5, None]})
    assert kp.get(key) == {"value": ["ü", 1.5, None]}
    kp.set(key, "second")
    assert kp.get(key) == "second"
    assert kp.get_string(key) == "second"
    kp.delete(key)
    assert kp.get(key) is None


def test_a_key_is_the_same_whatever_the_order_of_its_members(daemon: RealDaemon) -> None:
    kp.set({"a": 1, "b": 2}, "x")
    assert kp.get({"b": 2, "a": 1}) == "x"


def test_channels_are_joined_through_the_mutable(daemon: RealDaemon) -> None:
    assert kp.get_channels() == []
    channel = {"channelConfigUrl": CHANNEL, "isMessageProxy": False, "isDataProxy": False, "isPublic": False}
    kp.set("_joined_channels_config", {"joinedChannels": [channel]})
    assert kp.get_channels() == [channel]


def test_what_nobody_has_is_none_with_a_reason(daemon: RealDaemon, caplog: pytest.LogCaptureFixture) -> None:
    assert kp.load_text(ABSENT) is None
    assert ABSENT in caplog.text
    with pytest.raises(kp.NotFound) as failure:
        kp.load_file(ABSENT, strict=True)
    assert str(failure.value)


def test_this_node_is_found_first(daemon: RealDaemon) -> None:
    uri = kp.store_text("find me")
    found = list(kp.find_file(uri, timeout_sec=1))
    assert found[0]["nodeId"] == daemon.probe["nodeId"]
    assert found[0]["fileSize"] == len("find me")


def test_a_file_that_only_the_user_may_read_is_stored(daemon: RealDaemon, tmp_path: Path) -> None:
    path = tmp_path / "private.txt"
    path.write_text("mine")
    path.chmod(0o600)
    assert kp.load_text(kp.store_file(str(path))) == "mine"


def test_a_daemon_that_is_gone_is_named_with_the_remedy(daemon: RealDaemon) -> None:
    kp.get_node_id()
    daemon.stop()
    with pytest.raises(kp.NoDaemon, match="kachery-p2p-start-daemon"):
        kp.store_text("too late")


def test_a_file_travels_between_two_nodes(
    pair: tuple[RealDaemon, RealDaemon], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, reader = pair
    path = tmp_path / "travels.bin"
    path.write_bytes(os.urandom(1 << 20) * 45)
    source.select(monkeypatch)
    uris = [kp.store_file(str(path)), kp.store_text("a small one")]
    array_uri = kp.store_npy(np.eye(100))

    reader.select(monkeypatch)
    assert kp.load_file(uris[0], p2p=False) is None
    dest = tmp_path / "arrived.bin"
    assert kp.load_file(uris[0], dest=str(dest), strict=True) == str(dest)
    assert dest.read_bytes() == path.read_bytes()
    assert kp.load_text(uris[1], from_node=source.probe["nodeId"], strict=True) == "a small one"
    assert np.array_equal(kp.load_npy(array_uri, from_channel=CHANNEL, strict=True), np.eye(100))
    assert {found["nodeId"] for found in kp.find_file(uris[0], timeout_sec=5)} == {
        source.probe["nodeId"],
        reader.probe["nodeId"],
    }


def test_the_package_is_quiet_on_standard_output(daemon: RealDaemon) -> None:
    script = f"import kachery_p2p as kp; u = kp.store_text('x'); kp.load_text(u); kp.load_text('{ABSENT}')"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    run = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert run.returncode == 0 and run.stdout == ""
    assert run.stderr.count("\n") == 1 and ABSENT in run.stderr


def test_part_of_a_file_is_fetched_from_another_node(
    pair: tuple[RealDaemon, RealDaemon], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, reader = pair
    content = os.urandom(1 << 20) * 70
    path = tmp_path / "large.bin"
    path.write_bytes(content)
    source.select(monkeypatch)
    uri = kp.store_file(str(path))

    reader.select(monkeypatch)
    edge = 20_000_000
    assert kp.load_bytes(uri, edge - 5, edge + 5, strict=True) == content[edge - 5 : edge + 5]
    assert kp.load_file(uri, p2p=False) is None
    with kp.open(uri) as file:
        file.seek(-5, os.SEEK_END)
        assert file.read() == content[-5:]
    stored = sum(entry.stat().st_size for entry in (reader.storage / "sha1").rglob("*") if entry.is_file())
    assert stored < len(content) - edge + 10_000, "a chunk that was not read was fetched"


def test_folders_travel(pair: tuple[RealDaemon, RealDaemon], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, reader = pair
    folder = tmp_path / "recording"
    (folder / "inner").mkdir(parents=True)
    for number in range(30):
        (folder / "inner" / f"{number}.txt").write_text(f"content {number}")
    source.select(monkeypatch)
    uri = kp.store_dir(str(folder))
    reader.select(monkeypatch)
    dest = tmp_path / "loaded"
    assert kp.load_dir(uri, str(dest), strict=True) == str(dest)
    assert {path.name: path.read_text() for path in (dest / "inner").iterdir()} == {
        path.name: path.read_text() for path in (folder / "inner").iterdir()
    }


def test_what_a_folder_lists_is_not_absent_when_its_source_is_gone(
    pair: tuple[RealDaemon, RealDaemon], start_daemon: StartDaemon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, reader = pair
    alone = start_daemon("alone")
    (tmp_path / "array").mkdir()
    for name in ("0.0", "0.1"):
        (tmp_path / "array" / name).write_text(f"chunk {name}")
    source.select(monkeypatch)
    uri = kp.store_dir(str(tmp_path / "array"))

    alone.select(monkeypatch)
    stranger = KacheryFolderFileSystem(skip_instance_cache=True)
    assert said(lambda: stranger.exists(f"{uri}/0.0")).code == "no_channel"
    reader.select(monkeypatch)
    files = KacheryFolderFileSystem(skip_instance_cache=True)
    assert files.cat_file(f"{uri}/0.0") == b"chunk 0.0"
    wrong = KacheryFolderFileSystem(from_node="nonsense", skip_instance_cache=True)
    assert said(lambda: wrong.cat_file(f"{uri}/0.1")).code == "bad_request"
    source.stop()
    for _ in range(2):  # during a search, and after the node knows that the source has left
        error = said(lambda: files.cat_file(f"{uri}/0.1"))
        assert error.code in ("no_member_online", "not_found", "unreachable") and f"{uri}/0.1: " in str(error)
    assert files.exists(f"{uri}/0.1") and not files.exists(f"{uri}/0.2")
    with pytest.raises(FileNotFoundError):
        files.cat_file(f"{uri}/0.2")
    reader.stop()
    assert said(lambda: files.cat_file(f"{uri}/0.1")).code == "no_daemon"


def test_a_linked_file_is_served_while_it_does_not_change(
    daemon: RealDaemon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "linked.bin"
    path.write_bytes(os.urandom(1 << 20) * 21)
    uri = kp.link_file(str(path))
    assert "?manifest=" in uri and kp.load_file(uri) == str(path)
    assert not any(entry.stat().st_size == path.stat().st_size for entry in (daemon.storage / "sha1").rglob("*"))
    monkeypatch.setenv("KACHERY_OFFLINE_STORAGE_DIR", str(tmp_path / "offline"))
    assert kp.link_file(str(path)) == uri, "the offline URI differs"
    assert kp.load_file(uri) == str(path)
    path.write_bytes(b"changed")
    assert kp.load_file(uri) is None
    monkeypatch.delenv("KACHERY_OFFLINE_STORAGE_DIR")
    assert kp.load_file(uri) is None
    with pytest.raises(kp.NotFound):
        kp.link_file(str(tmp_path / "absent"))
    with pytest.raises(kp.BadRequest):
        kp.link_file(str(tmp_path))


def test_a_pickle_comes_back(daemon: RealDaemon) -> None:
    value = {"a": np.arange(5.0), "b": (1, None)}
    loaded = kp.load_pkl(kp.store_pkl(value))
    assert np.array_equal(loaded["a"], value["a"]) and loaded["b"] == value["b"]


def test_a_daemon_is_started_and_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{program('kacheryd').parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("KACHERY_P2P_API_PORT", str(free_port()))
    assert kp.stop_daemon() is False
    ended = threading.Event()

    def run() -> None:
        kp.start_daemon(label="started", nomulticast=True, host="127.0.0.1", verbose=0)
        ended.set()

    # If the test fails, it does not wait for the daemon.
    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and not is_answering():
        time.sleep(0.02)
    assert kp.get_node_id() == (tmp_path / "kachery-storage" / "kachery-node-id").read_text()
    with pytest.raises(kp.AlreadyRunning):
        kp.start_daemon(label="second")
    assert kp.stop_daemon() is True
    assert ended.wait(20)
    thread.join()


def is_answering() -> bool | None:
    try:
        kp.get_channels()
        return True
    except kp.KacheryError:
        return False


def test_a_daemon_that_does_not_start_raises(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KACHERY_P2P_API_PORT", str(free_port()))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(kp.BadRequest, match="kacheryd"):
        kp.start_daemon(label="never")
    script = tmp_path / "kacheryd"
    script.write_text("#!/bin/sh\nexit 3\n")
    script.chmod(0o755)
    with pytest.raises(kp.KacheryError, match="code 3"):
        kp.start_daemon(label="never")
