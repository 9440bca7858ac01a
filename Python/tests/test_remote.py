"""A daemon on another machine, whose directory this process cannot read: tokens, certificates, verified streams."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kachery_p2p as kp
from kachery_p2p import _daemon
from stand_in import StandIn, frames, receipt
from storage_layout import load_path

CONTENT = b"from afar" * 1000
HASH = hashlib.sha1(CONTENT).hexdigest()
URI = f"sha1://{HASH}/x.bin"


@pytest.fixture
def remote(stand_in: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StandIn:
    """A stand-in that names a directory on another machine, and accepts an issued token."""
    stand_in.probe["kacheryStorageDir"] = str(tmp_path / "on" / "another" / "machine")
    stand_in.bearer = "given-out"
    (tmp_path / "token").write_text("given-out\n")
    monkeypatch.setenv("KACHERY_API_TOKEN_FILE", str(tmp_path / "token"))
    monkeypatch.setenv("KACHERY_CACHE_DIR", str(tmp_path / "cache"))
    stand_in.answer("/loadFile", frames({"type": "finished", "localFilePath": "/over/there"}))
    stand_in.answer("/downloadFileData", CONTENT)
    return stand_in


def make_certificate(folder: Path, name: str) -> tuple[str, str]:
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ed25519", "-nodes", "-days", "2", "-subj", f"/CN={name}",
         "-addext", f"subjectAltName=DNS:{name}", "-keyout", str(key), "-out", str(certificate)],
        check=True, capture_output=True,
    )  # fmt: skip
    return str(certificate), str(key)


def test_a_file_is_streamed_verified_and_kept(remote: StandIn, tmp_path: Path) -> None:
    path = load_path(URI)
    assert Path(path).read_bytes() == CONTENT
    assert path.startswith(str(tmp_path / "cache"))
    asked = len(remote.requests)
    assert kp.load_file(URI) == path
    assert [path for path, _ in remote.requests[asked:] if path != "/probe"] == []
    assert kp.load_file(URI, dest=str(tmp_path / "copy")) == str(tmp_path / "copy")
    assert kp.load_bytes(URI, 5, 9) == CONTENT[5:9]


def test_bytes_that_are_not_the_files_are_thrown_away(remote: StandIn, tmp_path: Path) -> None:
    remote.answer("/downloadFileData", CONTENT[:-1])
    with pytest.raises(kp.HashMismatch):
        kp.load_file(URI)
    assert [entry for entry in (tmp_path / "cache").rglob("*") if entry.is_file()] == []


def test_without_p2p_only_the_daemons_own_files_are_there(remote: StandIn) -> None:
    assert kp.load_text(URI, p2p=False) == CONTENT.decode()
    remote.answer("/downloadFileData", b"The file is not on this node.", status=404)
    other = "sha1://" + "1" * 40
    assert kp.load_file(other, p2p=False) is None
    with pytest.raises(kp.NotFound, match="not on this node"):
        kp.load_file(other, p2p=False, strict=True)
    assert "/loadFile" not in [path for path, _ in remote.requests]


def test_a_stream_that_breaks_is_a_broken_connection_and_leaves_nothing(remote: StandIn, tmp_path: Path) -> None:
    remote.keep_alive()
    chunk = b"%x\r\n%s\r\n" % (len(CONTENT), CONTENT)
    remote.answer("/downloadFileData", chunk, headers={"Transfer-Encoding": "chunked"})
    timer = threading.Timer(0.3, remote.hang_up)
    timer.start()
    with pytest.raises(kp.Disconnected):
        kp.load_file(URI)
    timer.join()
    assert [entry for entry in (tmp_path / "cache").rglob("*") if entry.is_file()] == []


def test_what_is_stored_is_sent_and_compared(remote: StandIn, tmp_path: Path) -> None:
    def store(request: dict[str, Any]) -> tuple[int, bytes]:
        return 200, json.dumps(receipt(hashlib.sha1(request["raw"]).hexdigest())).encode()

    remote.answers["/store"] = store
    path = tmp_path / "x.bin"
    path.write_bytes(CONTENT)
    assert kp.store_file(str(path)) == URI
    assert kp.store_npy(np.zeros(3)).endswith("/file.npy")
    assert "/storeFile" not in [path for path, _ in remote.requests], "the path means nothing on the other machine"
    remote.answer("/store", receipt("1" * 40))
    with pytest.raises(kp.HashMismatch):
        kp.store_text("x")
    with pytest.raises(kp.BadRequest, match="another machine"):
        kp.link_file(str(path))


def test_without_a_token_the_remedy_is_named(remote: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KACHERY_API_TOKEN_FILE")
    with pytest.raises(kp.WrongStorageDirectory, match="KACHERY_API_TOKEN_FILE"):
        kp.load_file(URI)


def test_a_wrong_token_is_refused_and_a_new_one_read(remote: StandIn, tmp_path: Path) -> None:
    remote.answer("/mutable/get", {"success": True, "found": True, "value": 7})
    assert kp.get("a") == 7
    remote.bearer = "another"
    with pytest.raises(kp.Forbidden):
        kp.get("a")
    (tmp_path / "token").write_text("another")
    assert kp.get("a") == 7


@pytest.mark.parametrize("content", [None, b"", b"\n", b"a\nb", b"\xff"])
def test_a_token_file_without_a_token_is_named(remote: StandIn, tmp_path: Path, content: bytes | None) -> None:
    (tmp_path / "token").unlink()
    if content is not None:
        (tmp_path / "token").write_bytes(content)
    with pytest.raises(kp.Forbidden, match="KACHERY_API_TOKEN_FILE"):
        kp.get("a")


def test_a_token_never_travels_in_the_clear(remote: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KACHERY_P2P_API_HOST", "192.0.2.1")
    with pytest.raises(kp.BadRequest, match="KACHERY_API_CERTIFICATE_FILE"):
        kp.load_file(URI)


@pytest.mark.parametrize("name", ["some-other-name.example", "localhost"])
def test_the_daemons_own_certificate_counts_whatever_it_names(
    remote: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    certificate, key = make_certificate(tmp_path, name)
    remote.speak_tls(certificate, key)
    monkeypatch.setenv("KACHERY_API_CERTIFICATE_FILE", certificate)
    assert kp.load_text(URI, strict=True) == CONTENT.decode()


def test_a_certificate_that_was_replaced_is_read_again(
    remote: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "other").mkdir()
    other, _ = make_certificate(tmp_path / "other", "localhost")
    certificate, key = make_certificate(tmp_path, "localhost")
    remote.speak_tls(certificate, key)
    monkeypatch.setenv("KACHERY_API_CERTIFICATE_FILE", other)
    with pytest.raises(kp.NoDaemon, match="certificate"):
        kp.get_node_id()
    os.replace(certificate, other)
    assert kp.get_node_id() == remote.probe["nodeId"]


def test_another_certificate_is_refused(remote: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "other").mkdir()
    other, _ = make_certificate(tmp_path / "other", "localhost")
    remote.speak_tls(*make_certificate(tmp_path, "localhost"))
    monkeypatch.setenv("KACHERY_API_CERTIFICATE_FILE", other)
    with pytest.raises(kp.NoDaemon, match="certificate"):
        kp.get_node_id()
    assert remote.requests == []
    monkeypatch.setenv("KACHERY_API_CERTIFICATE_FILE", str(tmp_path / "absent.pem"))
    with pytest.raises(kp.BadRequest, match=r"absent\.pem"):
        kp.get_node_id()


def test_a_mounted_directory_is_used_as_it_is(remote: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    remote.probe["kacheryStorageDir"] = str(remote.directory)
    _daemon.forget()
    daemon = _daemon.Daemon.find()
    assert not daemon.is_remote
