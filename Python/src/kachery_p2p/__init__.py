"""Share files between labs by what is in them.

``store_*`` answer a URI that names the content itself; ``load_*`` take one and find the content: on this machine, or on
any node of a channel that this one has joined.
"""

from ._errors import (
    BadManifest,
    BadRequest,
    Disconnected,
    DiskFull,
    FileChanged,
    Forbidden,
    HashMismatch,
    KacheryError,
    NoDaemon,
    NotFound,
    PermissionDenied,
    ProtocolViolation,
    StorageFailed,
    TimedOut,
    WrongStorageDirectory,
)
from ._load import load_file, load_json, load_npy, load_text
from ._mutables import delete, get, get_string, set
from ._node import find_file, get_channels, get_node_id
from ._store import store_file, store_json, store_npy, store_text

__version__ = "0.9.0"

__all__ = [
    "BadManifest",
    "BadRequest",
    "Disconnected",
    "DiskFull",
    "FileChanged",
    "Forbidden",
    "HashMismatch",
    "KacheryError",
    "NoDaemon",
    "NotFound",
    "PermissionDenied",
    "ProtocolViolation",
    "StorageFailed",
    "TimedOut",
    "WrongStorageDirectory",
    "delete",
    "find_file",
    "get",
    "get_channels",
    "get_node_id",
    "get_string",
    "load_file",
    "load_json",
    "load_npy",
    "load_text",
    "set",
    "store_file",
    "store_json",
    "store_npy",
    "store_text",
]
