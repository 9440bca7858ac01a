/// The explanation of an error code: the exit code of a command that fails with it, its meaning and its remedy.
///
/// `Tests/Vectors/error-codes.json` and a table of `docs/troubleshooting.md` contain the same list in the same words.
package struct ErrorExplanation: Hashable, Sendable {
  package let code: KacheryError.Code
  /// The exit code of a command that fails with it: 1 failed, 2 wrong usage, 3 not found, 4 no daemon.
  package let exitCode: Int32
  /// What has happened, in one sentence for a person.
  package let meaning: String
  /// What to do about it, in one sentence for a person.
  package let remedy: String

  /// What to do if a node knows no bootstrap node; a sentence without its end.
  package static let noBootstrapNode =
    "This node knows no bootstrap node, so it meets only nodes of its local network. Start the daemon with "
    + "--bootstrap HOST:PORT, the address of a bootstrap node that the others use as well"

  /// Every code, starting with the reasons why a load fails.
  package static let all: [ErrorExplanation] = [
    entry(
      .notFound, 3, "No reachable node has the file, or what the request names does not exist.",
      "Check the URI with the person who sent it, and make sure that a node on one of your "
        + "channels stores the file."),
    entry(
      .noChannel, 3, "This node has not joined a channel, so it has no other node to ask.",
      "Join the channel that the file was shared on with kachery-p2p-join-channel."),
    entry(
      .channelUnreadable, 1, "A channel's document could not be read yet, so its members are unknown.",
      "Check the channel's address and that this machine can reach it; the daemon retries every "
        + "few minutes."),
    entry(
      .notAuthorized, 3, "The channel's document, as this node reads it, does not list this node.",
      "Give the channel's owner this node's ID (kachery-p2p-node-info) and ask to be added."),
    entry(
      .refusedByPeer, 3,
      "A member of the channel refuses this node: its copy of the channel's document does not "
        + "list it.",
      "Wait a few minutes until the other node has read the document again, or ask its owner to "
        + "check its channels."),
    entry(
      .noMemberOnline, 3, "No other member of the channels is online.",
      "Ask for a node that has the file to be started, and check that it has joined the same "
        + "channel."),
    entry(
      .unreachable, 1, "A node that may have the file is known, but cannot be reached.",
      "Check that the other node is running and that no firewall blocks its TCP port; one of the "
        + "two must be able to reach the other."),
    entry(
      .clockSkew, 1,
      "This machine's clock and another node's differ too much for their signatures to be accepted.",
      "Correct the clock that is wrong, preferably with a time service (NTP)."),
    entry(
      .sourceBusy, 1, "The node that has the file is already serving its maximum number of transfers.",
      "Try again later, or load from another node with --from-node."),
    entry(
      .sourceChanged, 1, "The file was shared as a link, and its target was changed or removed at the source.",
      "Ask its owner to link or store the file again; a changed file has a new URI."),
    entry(
      .sourceUnreadable, 1, "The node that has the file cannot read it.",
      "Ask that node's owner to check its disk and its log."),
    entry(
      .badRequest, 2, "The request itself, such as the URI, is malformed.",
      "Correct it as the message says; a URI is sha1:// or sha1dir:// and 40 hexadecimal digits."),
    entry(
      .forbidden, 1, "The caller may not do this.",
      "Use the token of the daemon's storage directory, under a name of this machine."),
    entry(
      .tooLarge, 1, "The request is larger than the limit.",
      "Split it into smaller requests."),
    entry(
      .hashMismatch, 1, "The bytes do not match their hash: a copy is damaged.",
      "Ask the owner of the node that the message names to run kachery verify and store the file "
        + "again, or load it from another node."),
    entry(
      .badManifest, 1, "A manifest contradicts itself or the file it describes.",
      "Load the URI without its manifest, or ask its author for the right one."),
    entry(
      .badFolder, 1, "A stored document is not a folder, or contains an invalid file name.",
      "Ask the folder's owner to store it again."),
    entry(
      .fileChanged, 1, "A file changed while it was being read, or no longer matches its link.",
      "Store or link it again when no program is writing to it."),
    entry(
      .storageFailed, 1, "A file or folder could not be read or written.",
      "Check the disk and the permissions of the storage directory."),
    entry(
      .diskFull, 1, "The disk is full.",
      "Free some space, for example with kachery gc, and run the same command again: it resumes "
        + "from the verified bytes."),
    entry(
      .permissionDenied, 1, "This process may not read or write a file.",
      "Ask the owner for access, or start the daemon with --auth-group and one of your groups."),
    entry(
      .noDaemon, 4, "The daemon does not answer.",
      "Start one with kachery-p2p-start-daemon, or set KACHERY_P2P_API_PORT to the port that it listens on."),
    entry(
      .alreadyRunning, 1, "Another daemon is using the directory, the port or the identity.",
      "Stop that daemon first, or choose another directory or port."),
    entry(
      .failedToStart, 1, "A required program could not be started.",
      "Install kachery again, or put the program on the PATH."),
    entry(
      .timedOut, 1, "No answer arrived in time.",
      "Try again with a longer time-out; kachery explain says what is slow."),
    entry(
      .disconnected, 1, "The link to a peer, or the connection to a server, broke.",
      "Run the same command again: it resumes from the verified bytes."),
    entry(
      .protocolViolation, 1, "The other side violated the protocol.",
      "Use the same version of kachery at both ends, and report the problem if it persists."),
    entry(
      .badKey, 1, "A key file is unsafe, unreadable or not a key.",
      "Restore the key file from a copy, or make it readable to its owner only with chmod 600."),
    entry(
      .badConfiguration, 1, "A configuration file, a variable or an option cannot be used.",
      "Correct it as the message says."),
    entry(
      .cancelled, 1, "The operation was cancelled because its caller is no longer waiting for it.",
      "Run the command again."),
    entry(
      .internalError, 1, "A bug in this software.",
      "Report it with the daemon's log."),
  ]

  /// The explanation of this code; nil for a code of a later version.
  package static func of(_ code: KacheryError.Code) -> ErrorExplanation? { byCode[code] }

  private static let byCode = Dictionary(uniqueKeysWithValues: all.map { ($0.code, $0) })

  private static func entry(
    _ code: KacheryError.Code, _ exitCode: Int32, _ meaning: String, _ remedy: String
  ) -> ErrorExplanation {
    ErrorExplanation(code: code, exitCode: exitCode, meaning: meaning, remedy: remedy)
  }
}
