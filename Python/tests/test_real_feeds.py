"""Feeds and jobs with real daemons."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from pathlib import Path

import pytest

import kachery_p2p as kp
from kachery_p2p import jobs
from real_daemon import RealDaemon, program

ABSENT = "feed://" + "f" * 64
PATIENCE = 30.0  # seconds


def test_messages_are_appended_and_read_in_order(daemon: RealDaemon) -> None:
    feed = kp.create_feed("lab")
    assert feed.is_writeable() and feed.get_feed_node_id() == daemon.probe["nodeId"]
    subfeed = feed.get_subfeed("main")
    subfeed.append_message({"n": 0, "text": "größer ✓"})
    subfeed.append_messages([{"n": n} for n in range(1, 200)])
    assert subfeed.get_num_local_messages() == 200
    assert subfeed.get_next_message(wait_msec=0) == {"n": 0, "text": "größer ✓"}
    assert [message["n"] for message in subfeed.get_next_messages(max_num_messages=5)] == [1, 2, 3, 4, 5]
    assert [message["n"] for message in subfeed.get_next_messages()] == list(range(6, 200))
    subfeed.set_position(199)
    (signed,) = subfeed.get_next_messages(signed=True)
    assert signed["body"]["messageNumber"] == 199 and len(signed["body"]["previousSignature"]) == 128
    assert kp.load_feed("lab").get_feed_id() == kp.get_feed_id("lab") == feed.get_feed_id()


def test_what_is_not_there_is_an_error_in_time(daemon: RealDaemon) -> None:
    with pytest.raises(kp.KacheryError):
        kp.get_feed_id("none")
    start = time.monotonic()
    with pytest.raises(kp.KacheryError):
        kp.load_feed(ABSENT, timeout_sec=0.3)
    assert time.monotonic() - start < 10


def test_feeds_are_deleted(daemon: RealDaemon) -> None:
    feed = kp.create_feed("lab")
    feed.get_subfeed("main").append_message({"n": 0})
    kp.delete_feed("lab")
    with pytest.raises(kp.KacheryError):
        kp.load_feed(feed.get_uri(), timeout_sec=0.3)


def test_a_snapshot_stays_as_it_was(daemon: RealDaemon) -> None:
    feed = kp.create_feed()
    feed.get_subfeed("a").append_messages([{"n": 0}, {"n": 1}])
    snapshot = feed.create_snapshot(["a"])
    feed.get_subfeed("a").append_message({"n": 2})
    assert list(kp.load_feed(snapshot.get_uri()).get_subfeed("a").message_stream()) == [{"n": 0}, {"n": 1}]


def test_messages_reach_another_node_live(pair: tuple[RealDaemon, RealDaemon], monkeypatch: pytest.MonkeyPatch) -> None:
    writer, reader = pair
    writer.select(monkeypatch)
    subfeed = kp.create_feed().get_subfeed("main")
    subfeed.append_messages([{"n": n} for n in range(100)])
    reader.select(monkeypatch)
    elsewhere = kp.load_subfeed(subfeed.get_uri())
    assert not elsewhere.is_writeable()
    stream = elsewhere.message_stream()
    assert [next(stream)["n"] for _ in range(100)] == list(range(100))
    writer.select(monkeypatch)
    subfeed.append_message({"n": 100})
    reader.select(monkeypatch)
    assert elsewhere.get_next_message(wait_msec=20_000) == {"n": 100}


def test_who_was_granted_submits_and_nobody_else(
    pair: tuple[RealDaemon, RealDaemon], monkeypatch: pytest.MonkeyPatch
) -> None:
    writer, reader = pair
    writer.select(monkeypatch)
    subfeed = kp.create_feed().get_subfeed("main")
    reader.select(monkeypatch)
    elsewhere = kp.load_subfeed(subfeed.get_uri())
    with pytest.raises(kp.KacheryError):
        elsewhere.submit_message({"n": 0})
    writer.select(monkeypatch)
    subfeed.grant_write_access(node_id=reader.probe["nodeId"])
    assert subfeed.get_access_rules() == {"rules": [{"nodeId": reader.probe["nodeId"], "write": True}]}
    reader.select(monkeypatch)
    elsewhere.submit_messages([{"n": 1}, {"n": 2}])
    writer.select(monkeypatch)
    assert subfeed.get_next_messages() == [{"n": 1}, {"n": 2}]
    subfeed.revoke_write_access(node_id=reader.probe["nodeId"])
    reader.select(monkeypatch)
    with pytest.raises(kp.KacheryError):
        elsewhere.submit_message({"n": 3})


def test_a_job_runs_and_its_result_is_kept(daemon: RealDaemon) -> None:
    worker = jobs.Worker("jobs")
    worker.function("add", version="1")(lambda a, b: a + b)
    thread = threading.Thread(target=worker.run)
    thread.start()
    try:
        client = jobs.Client(worker.uri)
        assert client.request("add", version="1", a=1, b=2).result(timeout_sec=PATIENCE) == 3
    finally:
        worker.stop()
        thread.join(PATIENCE)
    assert client.request("add", version="1", a=1, b=2).result(timeout_sec=PATIENCE) == 3


def test_the_demonstration_of_jobs_runs_to_its_end_and_leaves_nothing(tmp_path: Path) -> None:
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "TMPDIR": str(tmp_path),
        "KACHERY_BUILD_DIR": str(program("kacheryd").parent),
    }
    script = Path(__file__).parents[2] / "Deploy" / "demo-jobs.sh"
    run = subprocess.run([script], env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "26000 words" in run.stdout and "nothing ran" in run.stdout
    assert os.listdir(tmp_path) == []
