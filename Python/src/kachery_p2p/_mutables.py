"""Values kept in this node under keys of one's own; they never leave it."""

from __future__ import annotations

from typing import Any, Dict, List, Optional, Union

from ._errors import KacheryError, error_for
from ._place import require_daemon

Key = Union[str, Dict[str, Any], List[Any]]
Value = Union[str, Dict[str, Any], List[Any]]


def set(key: Key, value: Value) -> None:
    """Keeps a value under a key; the one before it is gone."""
    _call("set", {"key": key, "value": value})


def get(key: Key) -> Any:
    """The value of a key; ``None`` where it has none."""
    answer = _call("get", {"key": key})
    return answer.get("value") if answer.get("found") else None


def get_string(key: Key) -> Optional[str]:
    """The value of a key as a string; ``None`` where it has none."""
    value = get(key)
    return None if value is None else str(value)


def delete(key: Key, value: Optional[Value] = None) -> None:
    """Removes a key and its value. The second argument was published, and never had a meaning."""
    _call("delete", {"key": key})


def _call(verb: str, request: Dict[str, Any]) -> Dict[str, Any]:
    answer = require_daemon("A mutable value").call(f"/mutable/{verb}", request)
    if not answer.get("success"):
        reason = answer.get("error") or "the daemon gives no reason"
        raise error_for(
            answer.get("code"), f"Could not {verb} the value of {request['key']!r}: {reason}.", KacheryError
        )
    return answer
