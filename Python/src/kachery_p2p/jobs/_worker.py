"""The worker, which runs functions."""

from __future__ import annotations

import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Callable, TypeVar

import kachery_p2p as kp

from .._errors import KacheryError
from .._text import printable
from ._messages import REQUESTS, Call, read_call, store_result

F = TypeVar("F", bound=Callable[..., Any])

_POLL_MSEC = 1000  # of one long poll for requests, and so the longest time that ``stop`` takes
_LONGEST_ERROR = 2000  # characters


class _Current(threading.local):
    subfeed: kp.Subfeed | None = None


_current = _Current()


def report_progress(fraction: float, text: str = "") -> None:
    """Reports the progress of the calling function to its clients. Does nothing outside of a job.

    Example:
        >>> jobs.report_progress(0.5, "half of the letters")
    """
    if _current.subfeed is not None:
        _current.subfeed.append_message({"type": "progress", "fraction": float(fraction), "text": text})


class Worker:
    """Runs functions for the nodes that may write to its feed.

    Args:
        feed_name: The name of the feed on this node, which is created if necessary.
        threads: The number of functions that may run concurrently.

    Example:
        >>> worker = jobs.Worker("our-jobs")
        >>> @worker.function("count", version="1")
        ... def count(text):
        ...     return {letter: text.count(letter) for letter in text}
        >>> threading.Thread(target=worker.run).start()  # run returns after stop
        >>> jobs.Client(worker.uri).request("count", version="1", text="aab").result(timeout_sec=60)
        {'a': 2, 'b': 1}
        >>> worker.stop()
    """

    def __init__(self, feed_name: str, *, threads: int = 1) -> None:
        self._feed = kp.load_feed(feed_name, create=True)
        self._threads = threads
        self._functions: dict[tuple[str, str], Callable[..., Any]] = {}
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        self._running: dict[str, list[str]] = {}  # the IDs of waiting requests, by the hash of the job's subfeed
        self._unfinished: set[int] = set()  # positions of requests
        self._position_key = {"type": "kachery_jobs_position", "feedId": self._feed.get_feed_id()}

    @property
    def uri(self) -> str:
        """The URI of the feed, which clients need."""
        return self._feed.get_uri()

    def function(self, name: str, *, version: str) -> Callable[[F], F]:
        """Registers a function under a name. A new version is a new function, and the old results remain."""

        def offer(function: F) -> F:
            self._functions[name, version] = function
            return function

        return offer

    def grant(self, node_id: str) -> None:
        """Allows another node to send requests. This node always may."""
        self._feed.get_subfeed(REQUESTS).grant_write_access(node_id=node_id)

    def revoke(self, node_id: str) -> None:
        """Stops allowing another node to send requests."""
        self._feed.get_subfeed(REQUESTS).revoke_write_access(node_id=node_id)

    def stop(self) -> None:
        """Makes ``run`` return within about a second, or when the running functions have finished."""
        self._stopped.set()

    def run(self) -> None:
        """Serves requests until ``stop`` is called. Starts with the requests that an earlier run left unfinished."""
        self._stopped.clear()
        requests = self._feed.get_subfeed(REQUESTS, position=kp.get(self._position_key) or 0)
        with ThreadPoolExecutor(self._threads, "kachery-job") as pool:
            while not self._stopped.is_set():
                for message in requests.get_next_messages(wait_msec=_POLL_MSEC, max_num_messages=1):
                    position = requests.get_position() - 1
                    with self._lock:
                        self._unfinished.add(position)
                    pool.submit(self._serve, position, message)

    def _serve(self, position: int, message: dict[str, Any]) -> None:
        try:
            call = read_call(message)
            if call is not None:
                self._serve_call(call, str(message.get("id")))
        except KacheryError as error:
            logging.getLogger("kachery_p2p").warning("kachery: a job request failed: %s", printable(error))
        self._finish(position)

    def _serve_call(self, call: Call, request_id: str) -> None:
        subfeed = self._feed.get_subfeed(call.subfeed)
        key = subfeed.get_subfeed_hash()
        with self._lock:
            self._running.setdefault(key, []).append(request_id)
            if len(self._running[key]) > 1:
                return  # it is already running, and all its clients read the same subfeed
        try:
            if any(message.get("type") == "result" for message in subfeed.get_next_messages(wait_msec=0)):
                return
            subfeed.append_message({"type": "accepted"})
            outcome = self._run(call, subfeed)
        finally:
            with self._lock:
                waiting = self._running.pop(key)
        if outcome["type"] == "error":
            outcome["requests"] = waiting
        subfeed.append_message(outcome)

    def _run(self, call: Call, subfeed: kp.Subfeed) -> dict[str, Any]:
        function = self._functions.get((call.function, call.version))
        if function is None:
            return {"type": "error", "error": f"This worker has no function {call.function}, version {call.version}."}
        _current.subfeed = subfeed
        try:
            return {"type": "result", "uri": store_result(function(**call.arguments))}
        except Exception as error:  # noqa: BLE001
            # An exception of the function is the client's answer, and must not stop the worker.
            return {"type": "error", "error": f"{type(error).__name__}: {error}"[:_LONGEST_ERROR]}
        finally:
            _current.subfeed = None

    def _finish(self, position: int) -> None:
        """Records the position at which a later run starts: every request before it is finished."""
        with self._lock:
            self._unfinished.discard(position)
            next_position = min(self._unfinished, default=position + 1)
            if next_position > (kp.get(self._position_key) or 0):
                kp.set(self._position_key, next_position)
