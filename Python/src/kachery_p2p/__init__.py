"""Share files between labs by their content.

``store_*`` return a URI that identifies the content itself. ``load_*`` take such a URI and find the content on this
machine, or on any node of a channel that this node has joined.
"""

from typing import Any as _Any

from ._control import start_daemon, stop_daemon
from ._errors import (
    AlreadyRunning,
    BadContent,
    BadFolder,
    BadKey,
    BadManifest,
    BadRequest,
    Cancelled,
    ChannelUnreadable,
    ClockSkew,
    Disconnected,
    DiskFull,
    FailedToStart,
    FileChanged,
    Forbidden,
    HashMismatch,
    InternalError,
    IsAFolder,
    KacheryError,
    MissingFile,
    NeverChanges,
    NoChannel,
    NoDaemon,
    NoMemberOnline,
    NotAuthorized,
    NotFound,
    NotInFolder,
    PermissionDenied,
    ProtocolViolation,
    RefusedByPeer,
    SourceBusy,
    SourceChanged,
    SourceUnreadable,
    StorageFailed,
    TimedOut,
    TooLarge,
    Unreachable,
    WrongStorageDirectory,
)
from ._folders import load_dir, read_dir, store_dir
from ._load import load_file, load_json, load_npy, load_object, load_pkl, load_text
from ._mutables import delete, get, get_string, set
from ._node import NodeInfo, find_file, get_channels, get_node_id, get_node_info
from ._open import open
from ._place import storage_directory as _kachery_storage_dir
from ._ranges import load_bytes
from ._replicate import Copy, replicate
from ._shellscript import ShellScript
from ._store import link_file, store_file, store_json, store_npy, store_object, store_pkl, store_text
from ._temporary import TemporaryDirectory
from ._temporary import temporary_directory as _kachery_temp_dir
from .feeds import (
    Feed,
    Subfeed,
    create_feed,
    delete_feed,
    get_feed_id,
    load_feed,
    load_subfeed,
    watch_for_new_messages,
)

__version__ = "0.9.0"

LoadFileError = KacheryError  # its published name
save_file = store_file  # another published name


def load_ipython_extension(shell: _Any) -> None:
    """Adds ``%kachery`` to IPython and Jupyter; ``%load_ext kachery_p2p`` calls this."""
    from . import _magics

    _magics.register(shell)


_published = (_kachery_storage_dir, _kachery_temp_dir)  # private names that programs use nevertheless

__all__ = [
    "AlreadyRunning",
    "BadContent",
    "BadFolder",
    "BadKey",
    "BadManifest",
    "BadRequest",
    "Cancelled",
    "ChannelUnreadable",
    "ClockSkew",
    "Copy",
    "Disconnected",
    "DiskFull",
    "FailedToStart",
    "Feed",
    "FileChanged",
    "Forbidden",
    "HashMismatch",
    "InternalError",
    "IsAFolder",
    "KacheryError",
    "LoadFileError",
    "MissingFile",
    "NeverChanges",
    "NoChannel",
    "NoDaemon",
    "NoMemberOnline",
    "NodeInfo",
    "NotAuthorized",
    "NotFound",
    "NotInFolder",
    "PermissionDenied",
    "ProtocolViolation",
    "RefusedByPeer",
    "ShellScript",
    "SourceBusy",
    "SourceChanged",
    "SourceUnreadable",
    "StorageFailed",
    "Subfeed",
    "TemporaryDirectory",
    "TimedOut",
    "TooLarge",
    "Unreachable",
    "WrongStorageDirectory",
    "create_feed",
    "delete",
    "delete_feed",
    "find_file",
    "get",
    "get_channels",
    "get_feed_id",
    "get_node_id",
    "get_node_info",
    "get_string",
    "link_file",
    "load_bytes",
    "load_dir",
    "load_feed",
    "load_file",
    "load_json",
    "load_npy",
    "load_object",
    "load_pkl",
    "load_subfeed",
    "load_text",
    "open",
    "read_dir",
    "replicate",
    "save_file",
    "set",
    "start_daemon",
    "stop_daemon",
    "store_dir",
    "store_file",
    "store_json",
    "store_npy",
    "store_object",
    "store_pkl",
    "store_text",
    "watch_for_new_messages",
]
