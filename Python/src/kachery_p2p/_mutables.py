"""Values that this node keeps under keys of one's own; they never leave it."""

from __future__ import annotations

from typing import Any, Dict, List, Optional, Union

from ._errors import KacheryError, error_for
from ._json_values import KEY, VALUE, plain
from ._place import require_daemon

Key = Union[str, Dict[str, Any], List[Any]]
Value = Any  # whatever JSON can hold


def set(key: Key, value: Value) -> None:
    """Keeps a value under a key; the one before it is gone.

    Tuples come back as lists, named tuples as dicts, and keys of dicts as strings. Anything that would come back as
    something else is refused, and so is a key with an integer beyond 2^53 that another would equal.
    """
    _require(_call("set", key, {"value": plain(value, VALUE)}), "set", key)


def get(key: Key) -> Any:
    """The value of a key; ``None`` where it has none."""
    answer = _require(_call("get", key), "get", key)
    return answer.get("value") if answer.get("found") else None


def get_string(key: Key) -> Optional[str]:
    """The value of a key as a string; ``None`` where it has none."""
    value = get(key)
    return None if value is None else str(value)


def delete(key: Key, value: Optional[Value] = None) -> None:
    """Removes a key and its value. The second argument was published, and never had a meaning."""
    _require(_call("delete", key), "delete", key)


def store(key: Key, value: Any, update: bool) -> bool:
    """Keeps a value under a key, unless ``update`` is off and the key has one; whether it is kept."""
    answer = _call("set", key, {"value": plain(value, VALUE), "update": update})
    return bool((answer if not update else _require(answer, "set", key)).get("success"))


def remove(key: Key) -> bool:
    """Removes a key and its value; whether it was done."""
    return bool(_call("delete", key).get("success"))


def _call(verb: str, key: Key, request: Optional[Dict[str, Any]] = None) -> Dict[str, Any]:
    body = {"key": plain(key, KEY), **(request or {})}
    return require_daemon("A mutable value").call(f"/mutable/{verb}", body)


def _require(answer: Dict[str, Any], verb: str, key: Key) -> Dict[str, Any]:
    if not answer.get("success"):
        reason = answer.get("error") or "the daemon gives no reason"
        raise error_for(answer.get("code"), f"Could not {verb} the value of {key!r}: {reason}.", KacheryError)
    return answer
