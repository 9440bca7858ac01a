"""Copies at other nodes: a member loads a file from them when the node that stored it is off."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

import kachery_p2p as kp
from real_daemon import CHANNEL, RealDaemon, StartDaemon, free_port
from stand_in import StandIn, frames

PATIENCE = 30.0  # seconds


class Lab:
    """A bootstrap node, a laptop that stores files, and a lab's server that relays for the channel."""

    def __init__(self, start_daemon: StartDaemon, *options: str) -> None:
        port = str(free_port())
        self.hub = start_daemon("hub", "--isbootstrap", "--port", port, "--no-lan")
        self._bootstrap = f"127.0.0.1:{port}"
        self._start = start_daemon
        self.laptop = self.start("laptop", "--channel", CHANNEL)
        self.server = self.start("server", *options)
        self.server.kachery("channel", "join", CHANNEL, "--data-proxy")

    def start(self, label: str, *options: str) -> RealDaemon:
        return self._start(label, "--bootstrap", self._bootstrap, "--no-lan", *options)

    def replicate(self, *arguments: str) -> tuple[int, str, str]:
        """Asks for a copy once the server is linked and relays."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            done = self.laptop.kachery("replicate", *arguments)
            if "No member of this node's channels that keeps copies is linked" not in done.stderr:
                break
            time.sleep(0.1)
        return done.returncode, done.stdout, done.stderr


def store(daemon: RealDaemon, path: Path, content: bytes) -> str:
    path.write_bytes(content)
    return daemon.kachery("store", str(path)).stdout.strip()


def test_a_file_is_loaded_from_the_copy_when_its_node_is_off(
    start_daemon: StartDaemon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = Lab(start_daemon, "--replica-limit", "0.001")
    uri = store(lab.laptop, tmp_path / "data.bin", b"0123456789" * 50_000)
    code, shown, notes = lab.replicate(uri)
    assert code == 0, notes
    assert shown.endswith(f"  kept by server ({lab.server.probe['nodeId'][:8]})\n")
    assert "pinned" in lab.server.kachery("du").stdout
    (tmp_path / "session").mkdir()
    (tmp_path / "session" / "notes.txt").write_text("notes")
    lab.laptop.select(monkeypatch)
    folder = kp.store_dir(str(tmp_path / "session"))
    copies = kp.replicate(folder, node=lab.server.probe["nodeId"], channel=CHANNEL)
    notes_hash = kp.read_dir(folder)["files"]["notes.txt"]["sha1"]  # type: ignore[index]
    assert sorted(copy.sha1 for copy in copies) == sorted([folder[len("sha1dir://") :][:40], notes_hash])
    assert {(copy.node_id, copy.label) for copy in copies} == {(lab.server.probe["nodeId"], "server")}
    lab.laptop.stop()
    reader = lab.start("reader", "--channel", CHANNEL)
    loaded = reader.kachery("load", uri, "--dest", str(tmp_path / "loaded.bin"), "--timeout", "30")
    assert loaded.returncode == 0, loaded.stderr
    assert (tmp_path / "loaded.bin").read_bytes() == (tmp_path / "data.bin").read_bytes()


def test_the_owner_decides_how_much_is_kept(start_daemon: StartDaemon, tmp_path: Path) -> None:
    lab = Lab(start_daemon)
    uri = store(lab.laptop, tmp_path / "data.bin", bytes(100_000))
    code, shown, notes = lab.replicate(uri)
    assert code != 0 and not shown
    assert "keeps nothing for members; its owner can allow it by --replica-limit" in notes
    (lab.server.storage / "kachery.yaml").write_text(f"replicaLimitGiB: {150_000 / 2**30}\n")
    lab.server.process.send_signal(1)  # SIGHUP
    deadline = time.monotonic() + PATIENCE
    while lab.replicate(uri, "--quiet")[0] != 0:
        assert time.monotonic() < deadline, "the new limit does not apply"
        time.sleep(0.1)
    other = store(lab.laptop, tmp_path / "other.bin", bytes(100_001))
    code, _, notes = lab.replicate(other)
    assert code != 0 and "has no room" in notes
    answers = [json.loads(line) for line in lab.replicate(other, "--json")[1].splitlines()]
    assert [answer["type"] for answer in answers] == ["answer", "failed", "finished"]
    assert answers[0]["state"] == "noRoom"


def test_what_the_daemon_says_about_copies(stand_in: StandIn) -> None:
    uri = "sha1://" + "7" * 40
    kept = {"type": "answer", "sha1": "7" * 40, "nodeId": "ab", "label": "server", "state": "kept", "reason": ""}
    failed = {"type": "failed", "sha1": "7" * 40, "code": "no_member_online", "reason": "No member is linked."}
    answer: list[dict[str, str]] = []
    stand_in.answers["/v1/replicate"] = lambda request: (200, frames(*answer))
    answer[:] = [{**kept, "state": "loading"}, kept, {"type": "finished"}]
    assert kp.replicate(uri, channel="lab") == [("7" * 40, "ab", "server")]
    assert stand_in.requests[-1][1] == {"sha1s": ["7" * 40], "channel": "lab"}
    answer[:] = [failed, failed, {"type": "finished"}]
    with pytest.raises(kp.NoMemberOnline, match=r"No member is linked\. 1 other file has no copy either\."):
        kp.replicate(uri)
    answer[:] = [kept]
    with pytest.raises(kp.Disconnected, match="call replicate again"):
        kp.replicate(uri)
    answer[:] = [{"type": "error", "error": "stopping", "code": "cancelled"}]
    with pytest.raises(kp.Cancelled, match="stopping"):
        kp.replicate(uri)
    with pytest.raises(kp.BadRequest, match="store it first"):
        kp.replicate(__file__)
    with pytest.raises(kp.NotFound):
        kp.replicate("sha1dir://" + "6" * 40)


@pytest.mark.parametrize("arguments", [["--node", "ab"], ["--channel", "not-joined"], []])
def test_what_cannot_be_asked_for_is_refused(start_daemon: StartDaemon, tmp_path: Path, arguments: list[str]) -> None:
    laptop = start_daemon("laptop", "--channel", CHANNEL, "--no-lan")
    uri = store(laptop, tmp_path / "data.bin", b"data") if arguments else f"sha1://{40 * 'a'}/x"
    done = laptop.kachery("replicate", uri, *arguments)
    assert done.returncode != 0 and not done.stdout
    expected = {"--node": "'ab' is not a node ID", "--channel": "not joined the channel 'not-joined'"}
    assert expected.get(arguments[0] if arguments else "", "is not here; store or load it") in done.stderr
