"""Persistent connections: reused, noticed when dead, and never shared between threads or processes."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections.abc import Generator

import pytest

import kachery_p2p as kp
from kachery_p2p import _daemon
from kachery_p2p._http import Endpoint
from stand_in import StandIn

ANSWER = {"success": True, "found": True, "value": 7}


@pytest.fixture
def server(stand_in: StandIn) -> StandIn:
    """The stand-in with persistent connections."""
    stand_in.keep_alive()
    stand_in.answer("/mutable/get", ANSWER)
    return stand_in


def test_one_connection_serves_many_requests(server: StandIn) -> None:
    for _ in range(5):
        assert kp.get("a") == 7
    assert server.connections == 1


def test_each_thread_has_its_own(server: StandIn) -> None:
    results = []
    barrier = threading.Barrier(4, timeout=10)

    def work() -> None:
        barrier.wait()
        results.append([kp.get("a") for _ in range(20)])

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [[7] * 20] * 4
    assert server.connections <= 5


def test_a_daemon_that_hung_up_meanwhile_is_dialled_again(server: StandIn) -> None:
    assert kp.get("a") == 7
    server.hang_up()
    assert kp.get("a") == 7


def test_a_request_on_a_connection_that_dies_is_repeated_once(server: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    assert kp.get("a") == 7
    server.hang_up()
    # As if it had closed the connection between the check and the request.
    monkeypatch.setattr("select.poll", FakePoll)
    assert kp.get("a") == 7
    server.hang_up()
    daemon = _daemon.Daemon.find()
    with pytest.raises(kp.Disconnected):
        daemon.call("/mutable/get", {"key": "a"}, repeatable=False)


class FakePoll:
    def register(self, *_: object) -> None:
        pass

    def poll(self, _: object) -> list[object]:
        return []


def test_an_answer_that_was_not_read_to_its_end_keeps_no_connection(server: StandIn) -> None:
    server.answer("/findFile", b'12#{"nodeId":1}' * 10_000)
    found = kp.find_file("sha1://" + "1" * 40)
    next(found)
    assert isinstance(found, Generator)
    found.close()
    assert kp.get("a") == 7
    assert server.connections == 2


def test_a_forked_child_opens_its_own(server: StandIn) -> None:
    assert kp.get("a") == 7
    child = os.fork()
    if child == 0:
        os._exit(0 if kp.get("a") == 7 else 1)
    _, status = os.waitpid(child, 0)
    assert status == 0
    assert kp.get("a") == 7
    assert server.connections == 2


def test_a_daemon_that_says_nothing_is_an_error_in_time() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        endpoint = Endpoint("127.0.0.1", silent.getsockname()[1])
        start = time.monotonic()
        with pytest.raises(kp.TimedOut):
            endpoint.json("GET", "/probe", timeout=0.2)
        assert time.monotonic() - start < 5


def test_the_code_of_a_refusal_is_the_daemons(server: StandIn) -> None:
    server.answer("/mutable/get", b"There is no room left.", status=500, headers={"KACHERY-ERROR-CODE": "disk_full"})
    with pytest.raises(kp.DiskFull, match="no room"):
        kp.get("a")
    server.answer("/mutable/get", b"Too much.", status=413)
    with pytest.raises(kp.TooLarge):
        kp.get("a")
    server.answer("/mutable/get", json.dumps(ANSWER).encode())
    assert kp.get("a") == 7
