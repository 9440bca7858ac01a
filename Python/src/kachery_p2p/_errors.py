"""Exceptions, one for each of the daemon's error codes."""

from __future__ import annotations


class KacheryError(Exception):
    """Base class of all errors. ``code`` is stable; the message is for people.

    Example:
        >>> try:
        ...     kp.load_text("sha1://nonsense", strict=True)
        ... except kp.KacheryError as error:
        ...     print(type(error).__name__, error.code)
        BadRequest bad_request
    """

    code = "unknown"

    def __init__(self, message: str, code: str | None = None) -> None:
        super().__init__(message)
        if code is not None:
            self.code = code


class NotFound(KacheryError):
    """None of the nodes that this node may ask has the file."""

    code = "not_found"


class MissingFile(NotFound, FileNotFoundError):
    """The file does not exist, or none of the nodes that were asked has it."""


class NotInFolder(MissingFile):
    """The stored folder does not list this name, so no node can have it."""


class NoChannel(NotFound):
    """The daemon has joined no channel, so it has no nodes to ask."""

    code = "no_channel"


class ChannelUnreadable(KacheryError):
    """The daemon has not been able to read the channel's document yet."""

    code = "channel_unreadable"


class NotAuthorized(NotFound):
    """The channel's document does not list the daemon's node."""

    code = "not_authorized"


class RefusedByPeer(NotFound):
    """A member of the channel refuses the daemon's node."""

    code = "refused_by_peer"


class NoMemberOnline(NotFound):
    """No other member of the channels is online."""

    code = "no_member_online"


class Unreachable(KacheryError):
    """No connection to a node that may have the file could be made."""

    code = "unreachable"


class ClockSkew(KacheryError):
    """This machine's clock and another node's differ too much."""

    code = "clock_skew"


class SourceBusy(KacheryError):
    """The node that has the file already serves its maximum number of transfers."""

    code = "source_busy"


class SourceChanged(KacheryError):
    """The source shares the file as a link, and the link's target has changed."""

    code = "source_changed"


class SourceUnreadable(KacheryError):
    """The node that has the file cannot read it."""

    code = "source_unreadable"


class FailedToStart(KacheryError):
    """A required program could not be started."""

    code = "failed_to_start"


class BadRequest(KacheryError):
    """The URI or another argument is malformed."""

    code = "bad_request"


class IsAFolder(BadRequest, IsADirectoryError):
    """A folder, where a file is required."""


class BadContent(BadRequest, ValueError):
    """A file does not contain what it was loaded as."""


class NeverChanges(BadRequest, OSError):
    """Something would write to what is stored."""


class Forbidden(KacheryError):
    """The daemon does not accept this client."""

    code = "forbidden"


class NoDaemon(KacheryError):
    """No daemon answers, and no storage directory is set for use without one."""

    code = "no_daemon"


class WrongStorageDirectory(KacheryError):
    """The environment names a storage directory that is not the daemon's, or whose files are missing."""

    code = "bad_configuration"


class HashMismatch(KacheryError):
    """The bytes do not have the expected hash."""

    code = "hash_mismatch"


class BadManifest(KacheryError, ValueError):
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
    """No answer arrived in time."""

    code = "timed_out"


class Disconnected(KacheryError):
    """The daemon, or the node that sent the file, disconnected before the end."""

    code = "disconnected"


class ProtocolViolation(KacheryError):
    """The server does not follow the protocol of a kachery daemon."""

    code = "protocol_violation"


class TooLarge(BadRequest):
    """The request is larger than the daemon accepts."""

    code = "too_large"


class BadFolder(KacheryError, ValueError):
    """A stored document is not a folder, or contains a name that no file can have."""

    code = "bad_folder"


class AlreadyRunning(KacheryError):
    """Another daemon uses the directory, the port or the identity."""

    code = "already_running"


class BadKey(KacheryError):
    """A key file is unsafe, unreadable or not a key."""

    code = "bad_key"


class Cancelled(KacheryError):
    """The operation was cancelled because its client no longer waits for it."""

    code = "cancelled"


class InternalError(KacheryError):
    """A defect of the daemon."""

    code = "internal_error"


_BY_CODE: dict[str, type[KacheryError]] = {
    kind.code: kind
    for kind in (
        AlreadyRunning, BadFolder, BadKey, BadManifest, BadRequest, Cancelled, ChannelUnreadable, ClockSkew,
        Disconnected, DiskFull, FailedToStart, FileChanged, Forbidden, HashMismatch, InternalError, NoChannel,
        NoDaemon, NoMemberOnline, NotAuthorized, NotFound, PermissionDenied, ProtocolViolation, RefusedByPeer,
        SourceBusy, SourceChanged, SourceUnreadable, StorageFailed, TimedOut, TooLarge, Unreachable,
        WrongStorageDirectory,
    )
}  # fmt: skip


def missing(error: KacheryError) -> KacheryError:
    """The same error, as a ``FileNotFoundError`` if it says that the file does not exist.

    What opens files for other libraries does not raise that: an array would have fill values in place of data that
    another node may have. Nor is a file missing because no node can be asked.
    """
    return MissingFile(str(error), error.code) if type(error) is NotFound else error


def error_for(code: str | None, message: str, otherwise: type[KacheryError] = KacheryError) -> KacheryError:
    """The exception for one of the daemon's codes; ``otherwise`` if there is no code."""
    if code is None:
        return otherwise(message)
    kind = _BY_CODE.get(code)
    return kind(message) if kind is not None else KacheryError(message, code)
