"""What a client and a worker write to each other: the names of subfeeds, and the messages in them.

In the subfeed ``requests``, each ``{"type": "request", "id", "function", "version", "arguments"}``, or with
``"argumentsUri"`` in place of arguments that a message does not hold; the ID is the client's choice. In the subfeed of
a job, in this order:
``{"type": "accepted"}``, any number of ``{"type": "progress", "fraction", "text"}``, then ``{"type": "result", "uri"}``
or ``{"type": "error", "error", "requests"}``, which names the IDs of the requests that it answers. After an error the
same may be asked for again, and follows in the same subfeed.
"""

from __future__ import annotations

import json
from typing import Any, Dict, NamedTuple, Optional

import kachery_p2p as kp

from .._errors import BadRequest
from .._json_values import ARGUMENT, MESSAGE, plain

REQUESTS = "requests"
_LONGEST = 8_000  # characters of arguments that go into a message, whose limit for submitting is 10,000


class Call(NamedTuple):
    """A function and what it is called with."""

    function: str
    version: str
    arguments: Dict[str, Any]

    @property
    def subfeed(self) -> Dict[str, Any]:
        """The name of the subfeed in which everything about this call stands."""
        return {"job": {"function": self.function, "version": self.version, "arguments": self.arguments}}

    def request(self, request_id: str) -> Dict[str, Any]:
        """The message that asks for it."""
        message: Dict[str, Any] = {"type": "request", "id": request_id}
        message.update(function=self.function, version=self.version)
        if len(json.dumps(self.arguments)) > _LONGEST or not _fits_message(self.arguments):
            return {**message, "argumentsUri": kp.store_json(self.arguments, basename="arguments.json")}
        return {**message, "arguments": self.arguments}


def plain_arguments(function: str, arguments: Dict[str, Any]) -> Dict[str, Any]:
    """The arguments as the worker will see them: what names the job, and what it is run with, must be the same."""
    try:
        return dict(plain(arguments, ARGUMENT))
    except BadRequest as error:
        raise BadRequest(f"{function} cannot be called so. {error} Store arrays, and pass their URIs.") from error


def _fits_message(arguments: Dict[str, Any]) -> bool:
    """Whether a signed message keeps the arguments; a file keeps integers beyond 2^53 as well."""
    try:
        plain(arguments, MESSAGE)
    except BadRequest:
        return False
    return True


def read_call(message: Dict[str, Any]) -> Optional[Call]:
    """The call that a message asks for; ``None`` where it is no request. Long arguments are loaded."""
    function, version = message.get("function"), message.get("version")
    if message.get("type") != "request" or not isinstance(function, str) or not isinstance(version, str):
        return None
    arguments = message.get("arguments")
    if arguments is None:
        uri = message.get("argumentsUri")
        arguments = kp.load_json(uri, strict=True) if isinstance(uri, str) and uri.startswith("sha1://") else None
    return Call(function, version, arguments) if isinstance(arguments, dict) else None


def answers(message: Dict[str, Any], request_id: str) -> bool:
    """Whether a message of a job's ends it for this request: any result does, but only an error of its own."""
    if message.get("type") == "error":
        return request_id in message.get("requests", [])
    return message.get("type") == "result"


def store_result(value: Any) -> str:
    """Stores what a function answered: JSON where it is, an array, or else a pickle of plain data."""
    try:
        if json.loads(json.dumps(value, allow_nan=False)) == value and not isinstance(value, tuple):
            return kp.store_json(value, basename="result.json")
    except (TypeError, ValueError):
        pass
    if type(value).__module__ == "numpy" and type(value).__name__ == "ndarray":
        return kp.store_npy(value, basename="result.npy")
    return kp.store_pkl(value, basename="result.pkl")


def load_result(uri: str) -> Any:
    """Loads what ``store_result`` stored."""
    label = uri.partition("?")[0].rpartition("/")[2]
    load = {"result.json": kp.load_json, "result.npy": kp.load_npy, "result.pkl": kp.load_pkl}.get(label)
    if load is None:
        raise BadRequest(f"'{uri}' is no result of a job.")
    return load(uri, strict=True)
