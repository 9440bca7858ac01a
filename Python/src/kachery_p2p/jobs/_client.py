"""The client, which requests functions."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from typing import Any

import kachery_p2p as kp

from .._errors import KacheryError, TimedOut
from ._messages import REQUESTS, Call, answers, load_result, plain_arguments

_POLL_MSEC = 5000  # of one long poll


class JobFailed(KacheryError):
    """The function raised, or the worker has no such function.

    Example:
        >>> job = jobs.Client(worker.uri).request("count", version="1", text=3)
        >>> try:
        ...     job.result(timeout_sec=60)
        ... except jobs.JobFailed as failure:
        ...     print("It failed.")
        It failed.
    """

    code = "job_failed"


class Client:
    """Sends requests to a worker. It must have granted access to this node, unless it runs on this node.

    Example:
        >>> client = jobs.Client(worker.uri)  # feed://…, of a worker that runs somewhere
        >>> client.request("count", version="1", text="abba").result(timeout_sec=60)
        {'a': 2, 'b': 2}
    """

    def __init__(self, feed_uri: str) -> None:
        self._feed = kp.load_feed(feed_uri)

    def request(self, function: str, *, version: str, **arguments: Any) -> Job:
        """Requests that a function run, unless its result already exists.

        Args:
            function: Its name.
            version: Its version.
            **arguments: Its arguments, which are JSON values. Store large data, and pass the URIs.
        """
        call = Call(function, version, plain_arguments(function, arguments))
        request_id = secrets.token_hex(8)
        request = call.request(request_id)
        job = Job(self._feed.get_subfeed(call.subfeed), function, request_id)
        if not job.is_done():
            requests = self._feed.get_subfeed(REQUESTS)
            (requests.append_message if requests.is_writeable() else requests.submit_message)(request)
        return job


class Job:
    """One function with its arguments, wherever and whenever it runs.

    Example:
        >>> job = jobs.Client(worker.uri).request("count", version="1", text="abc")
        >>> [event["type"] for event in job.events(timeout_sec=60)]
        ['accepted', 'result']
        >>> job.is_done(), job.status
        (True, 'result')
    """

    def __init__(self, subfeed: kp.Subfeed, function: str, request_id: str) -> None:
        self._subfeed = subfeed
        self._function = function
        self._request_id = request_id
        self._messages: list[dict[str, Any]] = []
        self._outcome: dict[str, Any] | None = None

    @property
    def uri(self) -> str:
        """The URI of the subfeed with all messages about the job."""
        return self._subfeed.get_uri()

    @property
    def status(self) -> str:
        """The type of the latest message: ``requested``, ``accepted``, ``progress``, ``result`` or ``error``."""
        self._read(0)
        return str(self._messages[-1].get("type")) if self._messages else "requested"

    def is_done(self) -> bool:
        """Whether there is a result or an error."""
        self._read(0)
        return self._outcome is not None

    def events(self, *, timeout_sec: float | None = None) -> Iterator[dict[str, Any]]:
        """Yields each message as it arrives, up to the result or error. Raises ``TimedOut`` if that takes too long."""
        deadline = None if timeout_sec is None else time.monotonic() + timeout_sec
        position = 0
        while True:
            for message in self._messages[position:]:
                position += 1
                yield message
            if self._outcome is not None:
                return
            wait = _POLL_MSEC if deadline is None else min(_POLL_MSEC, (deadline - time.monotonic()) * 1000)
            if wait <= 0:
                raise TimedOut(f"{self._function} did not finish within {timeout_sec:g} s; it may still finish later.")
            self._read(wait)

    def result(self, *, timeout_sec: float | None = None) -> Any:
        """The function's return value. Raises ``JobFailed`` with the function's error, or ``TimedOut``."""
        return load_result(self.result_uri(timeout_sec=timeout_sec))

    def result_uri(self, *, timeout_sec: float | None = None) -> str:
        """The URI of the function's return value."""
        for _ in self.events(timeout_sec=timeout_sec):
            pass
        outcome = self._outcome or {}
        if outcome.get("type") == "error":
            raise JobFailed(f"{self._function}: {outcome.get('error')}")
        return str(outcome.get("uri"))

    def _read(self, wait_msec: float) -> None:
        """Reads new messages. Ignores errors that answer other requests."""
        if self._outcome is not None:
            return
        for message in self._subfeed.get_next_messages(wait_msec=wait_msec):
            if answers(message, self._request_id):
                self._messages.append(message)
                self._outcome = message
                return
            if message.get("type") != "error":
                self._messages.append(message)
