"""What can go wrong, as exceptions whose ``code`` is the one that the daemon uses."""

from __future__ import annotations

from typing import Dict, Optional, Type


class KacheryError(Exception):
    """Something that kachery could not do. ``code`` is stable; the message is one sentence for a person."""

    code = "unknown"

    def __init__(self, message: str, code: Optional[str] = None) -> None:
        super().__init__(message)
        if code is not None:
            self.code = code


class NotFound(KacheryError):
    """No node that may be asked has the file."""

    code = "not_found"


class NotInFolder(NotFound):
    """A stored folder's own document lacks the name: no node could have it."""


class NoChannel(NotFound):
    """The daemon has joined no channel, so there is nobody to ask."""

    code = "no_channel"


class ChannelUnreadable(KacheryError):
    """A channel's document could not be read yet."""

    code = "channel_unreadable"


class NotAuthorized(NotFound):
    """The channel's document, as the daemon reads it, does not list its node."""

    code = "not_authorized"


class RefusedByPeer(NotFound):
    """A member of the channel refuses the daemon's node."""

    code = "refused_by_peer"


class NoMemberOnline(NotFound):
    """No other member of the channels is online."""

    code = "no_member_online"


class Unreachable(KacheryError):
    """A node that may have the file is known, and no connection to it can be made."""

    code = "unreachable"


class ClockSkew(KacheryError):
    """This machine's clock and another node's differ too much."""

    code = "clock_skew"


class SourceBusy(KacheryError):
    """The node that has the file serves as many transfers as it will."""

    code = "source_busy"


class SourceChanged(KacheryError):
    """The file was shared as a link whose target changed at the source."""

    code = "source_changed"


class SourceUnreadable(KacheryError):
    """The node that has the file cannot read it."""

    code = "source_unreadable"


class FailedToStart(KacheryError):
    """A program that is needed could not be started."""

    code = "failed_to_start"


class BadRequest(KacheryError):
    """The URI or another argument is malformed."""

    code = "bad_request"


class Forbidden(KacheryError):
    """The daemon does not accept this client."""

    code = "forbidden"


class NoDaemon(KacheryError):
    """No daemon answers, and no storage directory is named to do without."""

    code = "no_daemon"


class WrongStorageDirectory(KacheryError):
    """The storage directory that the environment names is not the daemon's, or its files are not there."""

    code = "bad_configuration"


class HashMismatch(KacheryError):
    """Bytes do not have the hash that they were promised to have."""

    code = "hash_mismatch"


class BadManifest(KacheryError):
    """A manifest contradicts itself or its file."""

    code = "bad_manifest"


class FileChanged(KacheryError):
    """A file changed while it was read, or since it was linked."""

    code = "file_changed"


class StorageFailed(KacheryError):
    """The storage directory could not be read or written."""

    code = "storage_failed"


class DiskFull(StorageFailed):
    """There is no room left on the disk."""

    code = "disk_full"


class PermissionDenied(StorageFailed):
    """This process, or the daemon, may not read or write a file."""

    code = "permission_denied"


class TimedOut(KacheryError):
    """No answer came in time."""

    code = "timed_out"


class Disconnected(KacheryError):
    """The daemon, or the node that a file came from, went away in the middle."""

    code = "disconnected"


class ProtocolViolation(KacheryError):
    """What answered does not speak as a kachery daemon does."""

    code = "protocol_violation"


class TooLarge(BadRequest):
    """The request is larger than what the daemon accepts."""

    code = "too_large"


class BadFolder(KacheryError):
    """A stored document is no folder, or holds a name that cannot be a file's."""

    code = "bad_folder"


class AlreadyRunning(KacheryError):
    """Another daemon holds the directory, the port or the identity."""

    code = "already_running"


class BadKey(KacheryError):
    """A key file is unsafe, unreadable or not a key."""

    code = "bad_key"


class Cancelled(KacheryError):
    """The work was given up because nobody waited for it any more."""

    code = "cancelled"


class InternalError(KacheryError):
    """A defect of the daemon."""

    code = "internal_error"


_BY_CODE: Dict[str, Type[KacheryError]] = {
    kind.code: kind
    for kind in (
        AlreadyRunning, BadFolder, BadKey, BadManifest, BadRequest, Cancelled, ChannelUnreadable, ClockSkew,
        Disconnected, DiskFull, FailedToStart, FileChanged, Forbidden, HashMismatch, InternalError, NoChannel,
        NoDaemon, NoMemberOnline, NotAuthorized, NotFound, PermissionDenied, ProtocolViolation, RefusedByPeer,
        SourceBusy, SourceChanged, SourceUnreadable, StorageFailed, TimedOut, TooLarge, Unreachable,
        WrongStorageDirectory,
    )
}  # fmt: skip


def error_for(code: Optional[str], message: str, otherwise: Type[KacheryError] = KacheryError) -> KacheryError:
    """The exception for a code of the daemon's; ``otherwise`` where it gives none."""
    if code is None:
        return otherwise(message)
    kind = _BY_CODE.get(code)
    return kind(message) if kind is not None else KacheryError(message, code)
