"""The protocol between client and worker: the names of subfeeds, and the messages in them.

The subfeed ``requests`` contains ``{"type": "request", "id", "function", "version", "arguments"}``. If
the arguments do not fit in a message, ``"argumentsUri"`` takes their place. The client chooses the ID.

The subfeed of a job contains, in this order: ``{"type": "accepted"}``, any number of
``{"type": "progress", "fraction", "text"}``, then ``{"type": "result", "uri"}`` or
``{"type": "error", "error", "requests"}``, which lists the IDs of the requests that it answers. After an error, a
client may request the same job again; its messages follow in the same subfeed.
"""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any, Callable, NamedTuple

import kachery_p2p as kp

from .._errors import BadRequest
from .._json_values import ARGUMENT, MESSAGE, plain

REQUESTS = "requests"
_LONGEST = 8_000  # characters of arguments in a message; submitted messages are limited to 10,000


class Call(NamedTuple):
    """A function and its arguments."""

    function: str
    version: str
    arguments: dict[str, Any]

    @property
    def subfeed(self) -> dict[str, Any]:
        """The name of the subfeed with all messages about this call."""
        return {"job": {"function": self.function, "version": self.version, "arguments": self.arguments}}

    def request(self, request_id: str) -> dict[str, Any]:
        """The message that requests this call."""
        message: dict[str, Any] = {"type": "request", "id": request_id}
        message.update(function=self.function, version=self.version)
        if len(json.dumps(self.arguments)) > _LONGEST or not _fits_message(self.arguments):
            return {**message, "argumentsUri": kp.store_json(self.arguments, basename="arguments.json")}
        return {**message, "arguments": self.arguments}


def plain_arguments(function: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """The arguments as the worker will see them, so that the job's name matches the arguments of the function."""
    try:
        return dict(plain(arguments, ARGUMENT))
    except BadRequest as error:
        raise BadRequest(
            f"{function} cannot be called with these arguments. {error} Store arrays, and pass their URIs."
        ) from error


def _fits_message(arguments: dict[str, Any]) -> bool:
    """Whether a signed message preserves the arguments. Only a file preserves integers beyond 2^53."""
    try:
        plain(arguments, MESSAGE)
    except BadRequest:
        return False
    return True


def read_call(message: dict[str, Any]) -> Call | None:
    """The call that a message requests; ``None`` if it is not a request. Long arguments are loaded."""
    function, version = message.get("function"), message.get("version")
    if message.get("type") != "request" or not isinstance(function, str) or not isinstance(version, str):
        return None
    arguments = message.get("arguments")
    if arguments is None:
        uri = message.get("argumentsUri")
        arguments = kp.load_json(uri, strict=True) if isinstance(uri, str) and uri.startswith("sha1://") else None
    return Call(function, version, arguments) if isinstance(arguments, dict) else None


def answers(message: dict[str, Any], request_id: str) -> bool:
    """Whether a message completes the request: any result does, but only an error that lists the request."""
    if message.get("type") == "error":
        return request_id in message.get("requests", [])
    return message.get("type") == "result"


def store_result(value: Any) -> str:
    """Stores a function's return value: as JSON or an array if possible, else as a pickle of plain data."""
    with suppress(TypeError, ValueError):
        if json.loads(json.dumps(value, allow_nan=False)) == value and not isinstance(value, tuple):
            return kp.store_json(value, basename="result.json")
    if type(value).__module__ == "numpy" and type(value).__name__ == "ndarray":
        return kp.store_npy(value, basename="result.npy")
    return kp.store_pkl(value, basename="result.pkl")


def load_result(uri: str) -> Any:
    """Loads what ``store_result`` stored."""
    label = uri.partition("?")[0].rpartition("/")[2]
    loads: dict[str, Callable[..., Any]] = {
        "result.json": kp.load_json,
        "result.npy": kp.load_npy,
        "result.pkl": kp.load_pkl,
    }
    load = loads.get(label)
    if load is None:
        raise BadRequest(f"'{uri}' is not the result of a job.")
    return load(uri, strict=True)
