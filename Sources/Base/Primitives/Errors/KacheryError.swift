/// An error, for programs (`code`) and for people (`message`).
///
/// The code is the same text in Swift, over HTTP and in Python. The message is one sentence that names the object, the
/// reason and the remedy. The code is a struct, not an enum, so that adding one breaks no caller's `switch`.
package struct KacheryError: Error, Sendable, CustomStringConvertible {
  /// A stable name for a kind of failure.
  package struct Code: RawRepresentable, Hashable, Sendable {
    package let rawValue: String
    package init(rawValue: String) { self.rawValue = rawValue }
  }

  package let code: Code
  package let message: String
  package let cause: (any Error)?

  package init(_ code: Code, _ message: String, cause: (any Error)? = nil) {
    self.code = code
    // Messages quote names and reasons of other nodes, and reach terminals, logs and pages.
    self.message = message.printable
    self.cause = cause
  }

  package var description: String { message }
}

extension KacheryError.Code {
  /// No reachable node has the file, or what the request names does not exist.
  package static let notFound = Self(rawValue: "not_found")
  /// This node has not joined a channel, so it has no other node to ask.
  package static let noChannel = Self(rawValue: "no_channel")
  /// A channel's document could not be read yet, so its members are unknown.
  package static let channelUnreadable = Self(rawValue: "channel_unreadable")
  /// The channel's document, as this node reads it, does not list this node.
  package static let notAuthorized = Self(rawValue: "not_authorized")
  /// A member of the channel refuses this node: its copy of the channel's document does not list it.
  package static let refusedByPeer = Self(rawValue: "refused_by_peer")
  /// No other member of the channels is online.
  package static let noMemberOnline = Self(rawValue: "no_member_online")
  /// A node that may have the file is known, but cannot be reached.
  package static let unreachable = Self(rawValue: "unreachable")
  /// This machine's clock and another node's differ too much for their signatures to be accepted.
  package static let clockSkew = Self(rawValue: "clock_skew")
  /// The node that has the file is already serving its maximum number of transfers.
  package static let sourceBusy = Self(rawValue: "source_busy")
  /// The file was shared as a link, and its target was changed or removed at the source.
  package static let sourceChanged = Self(rawValue: "source_changed")
  /// The node that has the file cannot read it.
  package static let sourceUnreadable = Self(rawValue: "source_unreadable")
  /// The request itself, such as the URI, is malformed.
  package static let badRequest = Self(rawValue: "bad_request")
  /// The caller may not do this.
  package static let forbidden = Self(rawValue: "forbidden")
  /// The request is larger than the limit.
  package static let tooLarge = Self(rawValue: "too_large")
  /// The bytes do not match their hash: a copy is damaged.
  package static let hashMismatch = Self(rawValue: "hash_mismatch")
  /// A manifest contradicts itself or the file it describes.
  package static let badManifest = Self(rawValue: "bad_manifest")
  /// A stored document is not a folder, or contains an invalid file name.
  package static let badFolder = Self(rawValue: "bad_folder")
  /// A file changed while it was being read, or no longer matches its link.
  package static let fileChanged = Self(rawValue: "file_changed")
  /// A file or folder could not be read or written.
  package static let storageFailed = Self(rawValue: "storage_failed")
  /// The disk is full.
  package static let diskFull = Self(rawValue: "disk_full")
  /// This process may not read or write a file.
  package static let permissionDenied = Self(rawValue: "permission_denied")
  /// The daemon does not answer.
  package static let noDaemon = Self(rawValue: "no_daemon")
  /// Another daemon is using the directory, the port or the identity.
  package static let alreadyRunning = Self(rawValue: "already_running")
  /// A required program could not be started.
  package static let failedToStart = Self(rawValue: "failed_to_start")
  /// No answer arrived in time.
  package static let timedOut = Self(rawValue: "timed_out")
  /// The link to a peer, or the connection to a server, broke.
  package static let disconnected = Self(rawValue: "disconnected")
  /// The other side violated the protocol.
  package static let protocolViolation = Self(rawValue: "protocol_violation")
  /// A key file is unsafe, unreadable or not a key.
  package static let badKey = Self(rawValue: "bad_key")
  /// A configuration file, a variable or an option cannot be used.
  package static let badConfiguration = Self(rawValue: "bad_configuration")
  /// The operation was cancelled because its caller is no longer waiting for it.
  package static let cancelled = Self(rawValue: "cancelled")
  /// A bug in this software.
  package static let internalError = Self(rawValue: "internal_error")
}
