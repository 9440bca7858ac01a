"""The package with a daemon that misbehaves, restarts, or belongs to another node."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import kachery_p2p as kp
from kachery_p2p import _daemon, _tokens
from stand_in import StandIn, frames, receipt

HASH = "1" * 40
SHA1_OF_X = "11f6ad8ec52a2984abaafd7c3b516503785c2072"
URI = f"sha1://{HASH}/x.bin"


def test_a_load_follows_the_stream_to_its_end(stand_in: StandIn, tmp_path: Path) -> None:
    there = tmp_path / "loaded"
    there.write_text("bytes")
    stand_in.answer(
        "/loadFile",
        frames(
            {"type": "waiting", "nodeId": "ab" * 32, "others": 3},
            {"type": "progress", "bytesLoaded": 2, "bytesTotal": 5, "nodeId": None},
            {"type": "progress", "bytesLoaded": 5, "bytesTotal": 5, "nodeId": "ab" * 32},
            {"type": "finished", "localFilePath": str(there)},
        ),
    )
    assert kp.load_file(URI, from_node="cd" * 32, from_channel="lab") == str(there)
    assert stand_in.requests[-1] == (
        "/loadFile",
        {
            "fileKey": {"sha1": HASH},
            "fromNode": "cd" * 32,
            "fromChannel": "lab",
            "reportWaiting": True,
            "name": "x.bin",
        },
    )


def test_the_daemons_reason_reaches_the_log_and_the_typed_exception(
    stand_in: StandIn, caplog: pytest.LogCaptureFixture
) -> None:
    stand_in.answer("/loadFile", frames({"type": "error", "error": "It is damaged.", "code": "hash_mismatch"}))
    assert kp.load_file(URI) is None
    assert "It is damaged." in caplog.text
    with pytest.raises(kp.HashMismatch, match=r"It is damaged\."):
        kp.load_file(URI, strict=True)


def test_a_reason_without_a_code_or_with_a_new_one_is_kept(stand_in: StandIn) -> None:
    stand_in.answer("/loadFile", frames({"type": "error", "error": "No."}))
    with pytest.raises(kp.NotFound, match=r"No\."):
        kp.load_file(URI, strict=True)
    stand_in.answer("/loadFile", frames({"type": "error", "error": "No.", "code": "full_moon"}))
    with pytest.raises(kp.KacheryError) as failure:
        kp.load_file(URI, strict=True)
    assert failure.value.code == "full_moon"


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (b"", kp.Disconnected),
        (b"20#{}", kp.Disconnected),
        (b"<html>", kp.ProtocolViolation),
        (frames({"type": "other"}), kp.ProtocolViolation),
        (frames({"type": "finished", "localFilePath": "/nowhere/at/all"}), kp.NotFound),
        (frames({"type": "finished"}), kp.NotFound),
    ],
)
def test_a_stream_that_makes_no_sense_raises(stand_in: StandIn, answer: bytes, kind: type[kp.KacheryError]) -> None:
    stand_in.answer("/loadFile", answer)
    with pytest.raises(kind):
        kp.load_file(URI)


def test_without_p2p_nobody_is_asked(stand_in: StandIn) -> None:
    assert kp.load_file(URI, p2p=False) is None
    assert [path for path, _ in stand_in.requests] == ["/probe"]


def test_a_new_token_is_read_where_the_old_one_is_refused(stand_in: StandIn) -> None:
    stand_in.answer("/mutable/get", {"success": True, "found": True, "value": 7})
    assert kp.get("a") == 7
    stand_in.token = "second-token"
    stand_in.write_token()
    assert kp.get("a") == 7
    assert [path for path, _ in stand_in.requests].count("/mutable/get") == 3


def test_a_token_is_kept_for_a_minute(stand_in: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in.answer("/mutable/get", {"success": True, "found": True, "value": 7})
    kp.get("a")
    (stand_in.directory / "client-auth").write_text("not yet in force")
    assert kp.get("a") == 7
    monkeypatch.setattr(_tokens, "TOKEN_LIFETIME", 0.0)
    with pytest.raises(kp.Forbidden, match=r"This is not the token\."):
        kp.get("a")


def test_a_wrong_token_is_an_error_with_the_daemons_sentence(stand_in: StandIn) -> None:
    stand_in.token = "another"
    with pytest.raises(kp.Forbidden, match=r"This is not the token\."):
        kp.get("a")
    (stand_in.directory / "client-auth").unlink()
    _daemon.forget()
    with pytest.raises(kp.NoDaemon, match="client-auth"):
        kp.get("a")


def test_probes_are_remembered_for_seconds_but_not_for_channels(
    stand_in: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    kp.get_node_id()
    kp.get_node_id()
    assert len(stand_in.requests) == 1
    kp.get_channels()
    assert len(stand_in.requests) == 2
    monkeypatch.setattr(_daemon, "PROBE_LIFETIME", 0.0)
    kp.get_node_id()
    assert len(stand_in.requests) == 3


def test_a_storage_directory_of_another_node_is_refused(
    stand_in: StandIn, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("KACHERY_STORAGE_DIR", str(tmp_path))
    with pytest.raises(kp.WrongStorageDirectory, match="KACHERY_STORAGE_DIR"):
        kp.store_text("x")
    monkeypatch.setenv("KACHERY_STORAGE_DIR", str(stand_in.directory))
    (stand_in.directory / "kachery-node-id").write_text("cd" * 32)
    with pytest.raises(kp.WrongStorageDirectory, match="does not name the node"):
        kp.store_text("x")
    (stand_in.directory / "kachery-node-id").unlink()
    with pytest.raises(kp.WrongStorageDirectory, match="cannot be read"):
        kp.get_node_id()


@pytest.mark.parametrize("probe", [{}, {"nodeId": 1}, []])
def test_what_is_no_daemon_is_not_taken_for_one(stand_in: StandIn, probe: Any) -> None:
    stand_in.probe = probe
    with pytest.raises(kp.ProtocolViolation):
        kp.get_node_id()


def test_a_file_that_the_daemon_may_not_read_is_sent_to_it(stand_in: StandIn, tmp_path: Path) -> None:
    path = tmp_path / "private.bin"
    path.write_bytes(b"mine")
    refusal = {"success": False, "error": "You may not read it.", "code": "permission_denied"}
    stand_in.answer("/storeFile", refusal)

    stand_in.store_uploads()
    assert kp.load_text(kp.store_file(str(path))) == "mine"
    stand_in.answer("/store", {"success": False, "error": "There is no room left.", "code": "disk_full"})
    with pytest.raises(kp.DiskFull, match="no room"):
        kp.store_file(str(path))


def test_a_file_that_the_daemon_stored_out_of_sight_is_reported(stand_in: StandIn) -> None:
    stand_in.answer("/store", receipt(SHA1_OF_X))
    with pytest.raises(kp.StorageFailed, match="does not see all of"):
        kp.store_text("x")


def test_a_mutable_that_is_refused_raises(stand_in: StandIn) -> None:
    stand_in.answer("/mutable/set", {"success": False, "error": "no"})
    with pytest.raises(kp.KacheryError, match="no"):
        kp.set("a", 1)
