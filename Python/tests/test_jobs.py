"""Jobs over feeds, against a stand-in that implements the API for feeds and files."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

import numpy as np
import pytest

import kachery_p2p as kp
from kachery_p2p import jobs
from kachery_p2p.jobs import Worker
from stand_in import NODE_ID, StandIn
from stand_in_feeds import StandInFeeds

PATIENCE = 30.0  # seconds


@pytest.fixture
def feeds(stand_in: StandIn, monkeypatch: pytest.MonkeyPatch) -> StandInFeeds:
    stand_in.store_uploads()
    monkeypatch.setattr("kachery_p2p.jobs._worker._POLL_MSEC", 50)
    return StandInFeeds(stand_in)


@contextmanager
def serving(worker: Worker) -> Iterator[jobs.Client]:
    thread = threading.Thread(target=worker.run)
    thread.start()
    try:
        yield jobs.Client(worker.uri)
    finally:
        worker.stop()
        thread.join(PATIENCE)
        assert not thread.is_alive()


@pytest.fixture
def calls() -> list[Any]:
    """The arguments with which the worker's functions were called."""
    return []


@pytest.fixture
def worker(feeds: StandInFeeds, calls: list[Any]) -> Worker:
    made = Worker("jobs", threads=2)

    @made.function("add", version="1")
    def add(a: int, b: int) -> int:
        calls.append((a, b))
        jobs.report_progress(0.5, "half-way")
        return a + b

    @made.function("fail", version="1")
    def fail(message: str) -> NoReturn:
        calls.append(message)
        raise ValueError(message)

    return made


def test_a_job_goes_from_accepted_to_its_result(worker: Worker) -> None:
    with serving(worker) as client:
        job = client.request("add", version="1", a=1, b=2)
        events = list(job.events(timeout_sec=PATIENCE))
        assert [event["type"] for event in events] == ["accepted", "progress", "result"]
        assert events[1] == {"type": "progress", "fraction": 0.5, "text": "half-way"}
        assert job.result() == 3 and job.status == "result" and job.is_done()
        assert job.result_uri() == events[2]["uri"] and job.uri.startswith(worker.uri)


def test_what_was_computed_is_not_computed_again(worker: Worker, calls: list[Any], feeds: StandInFeeds) -> None:
    with serving(worker) as client:
        assert client.request("add", version="1", a=1, b=2).result(timeout_sec=PATIENCE) == 3
        asked = len([verb for verb, _ in feeds.requests if verb == "appendMessages"])
        assert client.request("add", version="1", b=2, a=1).result(timeout_sec=PATIENCE) == 3
        assert len([verb for verb, _ in feeds.requests if verb == "appendMessages"]) == asked
        assert client.request("add", version="1", a=2, b=2).result(timeout_sec=PATIENCE) == 4
    assert calls == [(1, 2), (2, 2)]
    # An existing result needs no worker.
    assert jobs.Client(worker.uri).request("add", version="1", a=1, b=2).result(timeout_sec=PATIENCE) == 3


def test_a_new_version_is_a_new_function(worker: Worker) -> None:
    worker.function("add", version="2")(lambda a, b: a + b + 100)
    with serving(worker) as client:
        assert client.request("add", version="1", a=1, b=2).result(timeout_sec=PATIENCE) == 3
        assert client.request("add", version="2", a=1, b=2).result(timeout_sec=PATIENCE) == 103


def test_errors_reach_who_asked_and_the_next_try_is_run(worker: Worker, calls: list[Any]) -> None:
    with serving(worker) as client:
        for _ in range(2):
            with pytest.raises(jobs.JobFailed, match="ValueError: no luck"):
                client.request("fail", version="1", message="no luck").result(timeout_sec=PATIENCE)
        assert calls == ["no luck", "no luck"]
        with pytest.raises(jobs.JobFailed, match="no function none"):
            client.request("none", version="1").result(timeout_sec=PATIENCE)
        with pytest.raises(jobs.JobFailed, match="TypeError"):
            client.request("add", version="1", a=1).result(timeout_sec=PATIENCE)


def test_two_who_ask_for_the_same_share_one_run(worker: Worker) -> None:
    go = threading.Event()
    runs = []

    @worker.function("slow", version="1")
    def slow(fails: bool) -> str:
        runs.append(fails)
        assert go.wait(PATIENCE)
        if fails:
            raise ValueError("both see this")
        return "once"

    for fails in (False, True):
        go.clear()
        with serving(worker) as client:
            first = client.request("slow", version="1", fails=fails)
            while first.status == "requested":
                time.sleep(0.01)
            second = client.request("slow", version="1", fails=fails)
            while len(worker._running[first._subfeed.get_subfeed_hash()]) < 2:
                time.sleep(0.01)
            go.set()
            for job in (first, second):
                if fails:
                    with pytest.raises(jobs.JobFailed, match="both see this"):
                        job.result(timeout_sec=PATIENCE)
                else:
                    assert job.result(timeout_sec=PATIENCE) == "once"
    assert runs == [False, True]


@pytest.mark.parametrize("value", [None, {"a": [1, "ü"]}, (1, 2), {1: 2}, float("inf"), b"x", np.arange(3)], ids=repr)
def test_any_plain_result_comes_back(worker: Worker, value: Any) -> None:
    worker.function("answer", version="1")(lambda: value)
    with serving(worker) as client:
        answer = client.request("answer", version="1").result(timeout_sec=PATIENCE)
    assert type(answer) is type(value) and np.array_equal(answer, value)


def test_a_result_that_is_no_data_is_an_error(worker: Worker) -> None:
    worker.function("answer", version="1")(lambda: open)
    with serving(worker) as client, pytest.raises(jobs.JobFailed, match="plain data"):
        client.request("answer", version="1").result(timeout_sec=PATIENCE)


def test_long_arguments_travel_as_a_file(worker: Worker, feeds: StandInFeeds) -> None:
    worker.function("length", version="1")(length_of)
    with serving(worker) as client:
        assert client.request("length", version="1", text="x" * 50_000).result(timeout_sec=PATIENCE) == 50_000
    longest = max(len(json.dumps(request)) for verb, request in feeds.requests if verb == "appendMessages")
    assert longest < 10_000
    with pytest.raises(kp.BadRequest, match="URIs"):
        client.request("length", version="1", text=np.arange(3))


@pytest.mark.parametrize("value", [2**53 + 1, 2**70, 1.0, "\udcff", np.int64(3), [(1, 2)]], ids=ascii)
def test_arguments_arrive_as_they_were(worker: Worker, value: Any) -> None:
    seen: list[Any] = []

    def see(value: Any) -> None:
        seen.append(value)

    worker.function("see", version="1")(see)
    with serving(worker) as client:
        client.request("see", version="1", value=value).result(timeout_sec=PATIENCE)
    expected = json.loads(json.dumps(value, default=int))
    assert seen == [expected] and type(seen[0]) is type(expected)


def test_arguments_that_are_no_json_are_refused_with_their_place(worker: Worker) -> None:
    with serving(worker) as client:
        for value, place in ((float("nan"), r"\$\.a"), ([{1: 2, "1": 3}], r"\$\.a\[0\]"), (b"x", r"\$\.a")):
            with pytest.raises(kp.BadRequest, match=f"at {place} .*URIs"):
                client.request("see", version="1", a=value)


def length_of(text: str) -> int:
    return len(text)


def test_what_was_left_unfinished_is_run_by_the_next(worker: Worker, feeds: StandInFeeds) -> None:
    client = jobs.Client(worker.uri)
    job = client.request("add", version="1", a=5, b=6)
    assert job.status == "requested" and not job.is_done()
    with pytest.raises(kp.TimedOut):
        job.result(timeout_sec=0.05)
    with serving(worker):
        assert job.result(timeout_sec=PATIENCE) == 11
    again = Worker("jobs")
    again.function("add", version="1")(lambda a, b: a * b)
    with serving(again) as client:
        assert client.request("add", version="1", a=5, b=5).result(timeout_sec=PATIENCE) == 25
        assert job.result() == 11, "the finished request was run again"


def test_nonsense_among_the_requests_harms_nobody(
    worker: Worker, feeds: StandInFeeds, caplog: pytest.LogCaptureFixture
) -> None:
    requests = kp.load_feed("jobs").get_subfeed("requests")
    requests.append_messages(
        [
            {}, {"type": "request"}, {"type": "request", "function": 1, "version": "1"},
            {"type": "request", "function": "add", "version": "1", "arguments": [1]},
            {"type": "request", "function": "add", "version": "1", "argumentsUri": "/etc/passwd"},
            {"type": "request", "function": "add", "version": "1", "argumentsUri": "sha1://short"},
        ]
    )  # fmt: skip
    with serving(worker) as client:
        assert client.request("add", version="1", a=1, b=1).result(timeout_sec=PATIENCE) == 2
    assert "a job request failed" in caplog.text


def test_a_client_elsewhere_submits(worker: Worker, feeds: StandInFeeds) -> None:
    worker.grant(NODE_ID)
    feed_id = worker.uri.rpartition("/")[2]
    with serving(worker):
        feeds.feeds[feed_id] = False  # the view of another node
        client = jobs.Client(worker.uri)
        feeds.feeds[feed_id] = True
        assert client.request("add", version="1", a=3, b=4).result(timeout_sec=PATIENCE) == 7
        assert "submitMessage" in [verb for verb, _ in feeds.requests]
        worker.revoke(NODE_ID)
        with pytest.raises(kp.Forbidden):
            client.request("add", version="1", a=4, b=4)


def test_progress_outside_of_a_job_goes_nowhere() -> None:
    jobs.report_progress(0.5)
