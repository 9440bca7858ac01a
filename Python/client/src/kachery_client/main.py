"""Every call of the package, in the module with the published name."""

from __future__ import annotations

from typing import Any, Dict, List, Union

import kachery_p2p as kp
from kachery_p2p import get, get_string, link_file, store_file, store_json, store_npy, store_pkl, store_text
from kachery_p2p._mutables import remove, store

from ._feeds import create_feed, delete_feed, get_feed_id, load_feed, load_subfeed, watch_for_new_messages
from ._load import load_bytes, load_file, load_json, load_npy, load_pkl, load_text
from ._uri import KacheryUri, build_uri, parse_uri

Key = Union[str, Dict[str, Any], List[Any]]


def set(key: Key, value: Any, update: bool = True) -> bool:
    """Sets the value of a key. With ``update=False`` an existing value stays, and the result is ``False``.

    Example:
        >>> kc.set("color", "green")
        True
        >>> kc.set("color", "blue", update=False)
        False
    """
    return store(key, value, update)


def delete(key: Key) -> bool:
    """Removes a key and its value.

    Example:
        >>> kc.delete("color")
        True
    """
    return remove(key)


def get_node_id(daemon_port: int | None = None) -> str:
    """This node's ID. ``daemon_port`` is the daemon's port if it is not the usual one.

    Example:
        >>> len(kc.get_node_id())
        64
    """
    return kp.get_node_id(daemon_port)


__all__ = [
    "KacheryUri", "build_uri", "create_feed", "delete", "delete_feed", "get", "get_feed_id", "get_node_id",
    "get_string", "link_file", "load_bytes", "load_feed", "load_file", "load_json", "load_npy", "load_pkl",
    "load_subfeed", "load_text", "parse_uri", "set", "store_file", "store_json", "store_npy", "store_pkl", "store_text",
    "watch_for_new_messages",
]  # fmt: skip
