"""Values that this node stores under keys of the user's choice. They never leave the node."""

from __future__ import annotations

from typing import Any, Dict, List, Union

from ._errors import KacheryError, error_for
from ._json_values import KEY, VALUE, plain
from ._place import require_daemon

Key = Union[str, Dict[str, Any], List[Any]]
Value = Any  # anything that JSON can represent


def set(key: Key, value: Value) -> None:
    """Sets the value of a key, and replaces the value before it.

    Tuples come back as lists, named tuples as dicts, and keys of dicts as strings. A value that would come back as
    something else is refused, and so is a key with an integer beyond 2^53 that could equal another key.

    Example:
        >>> kp.set("threshold", 0.75)
        >>> kp.set({"mouse": 4, "what": "mood"}, ["good", "very good"])
    """
    _require(_call("set", key, {"value": plain(value, VALUE)}), "set", key)


def get(key: Key) -> Any:
    """The value of a key; ``None`` if it has none.

    Example:
        >>> kp.set({"mouse": 4, "what": "mood"}, ["good", "very good"])
        >>> kp.get({"what": "mood", "mouse": 4})
        ['good', 'very good']
    """
    answer = _require(_call("get", key), "get", key)
    return answer.get("value") if answer.get("found") else None


def get_string(key: Key) -> str | None:
    """The value of a key as a string; ``None`` if it has none.

    Example:
        >>> kp.set("trials", 12)
        >>> kp.get_string("trials")
        '12'
    """
    value = get(key)
    return None if value is None else str(value)


def delete(key: Key, value: Value | None = None) -> None:
    """Removes a key and its value. The second argument is part of the published signature and has no effect.

    Example:
        >>> kp.delete("threshold")
        >>> print(kp.get("threshold"))
        None
    """
    _require(_call("delete", key), "delete", key)


def store(key: Key, value: Any, update: bool) -> bool:
    """Sets the value of a key, unless ``update`` is false and the key has one. Returns whether it was set."""
    answer = _call("set", key, {"value": plain(value, VALUE), "update": update})
    return bool((answer if not update else _require(answer, "set", key)).get("success"))


def remove(key: Key) -> bool:
    """Removes a key and its value. Returns whether the daemon did so."""
    return bool(_call("delete", key).get("success"))


def _call(verb: str, key: Key, request: dict[str, Any] | None = None) -> dict[str, Any]:
    body = {"key": plain(key, KEY), **(request or {})}
    return require_daemon("A mutable value").call(f"/mutable/{verb}", body)


def _require(answer: dict[str, Any], verb: str, key: Key) -> dict[str, Any]:
    if not answer.get("success"):
        reason = answer.get("error") or "the daemon reports no reason"
        raise error_for(answer.get("code"), f"Could not {verb} the value of {key!r}: {reason}.", KacheryError)
    return answer
