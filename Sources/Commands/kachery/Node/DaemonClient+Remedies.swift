import Primitives
import Process

extension DaemonClient {
  /// The daemon, for what no command does without one.
  ///
  /// - Parameter purpose: the beginning of the sentence that says so: "Reading a feed".
  /// - Throws: `noDaemon` also if the environment says to ask none.
  static func require(for purpose: String) throws(KacheryError) -> DaemonClient {
    guard let directory = Environment[Storage.offlineVariable] else { return try require() }
    throw KacheryError(
      .noDaemon,
      "\(purpose) needs a daemon, but \(Storage.offlineVariable) is set (\(directory)), so none is asked. Unset it to "
        + "use one.")
  }

  /// The variable of the environment that names the daemon's machine; nil if none does.
  static var hostVariable: String? {
    ["KACHERY_P2P_API_HOST", "KACHERY_DAEMON_HOST"].first { Environment[$0] != nil }
  }

  /// What to do if the daemon that answers is another user's.
  static let waysOut =
    "Its owner can grant access by starting it with --auth-group and a group that you are in. Or start a daemon of your "
    + "own on another port: export KACHERY_P2P_API_PORT=20433, then kachery-p2p-start-daemon."

  /// What to do if the environment names a daemon on another machine but no token for it; nil if it does not, or if both
  /// are named.
  static var remoteRemedy: String? {
    guard let name = hostVariable, let host = Environment[name],
      host != "localhost", !host.begins(with: "127."), host != "::1", host != "[::1]",
      tokenFile == nil || certificateFile == nil
    else { return nil }
    return "To use a daemon on another machine, its owner starts it with --api-listen and gives you a token and a "
      + "certificate; name their files in KACHERY_API_TOKEN_FILE and KACHERY_API_CERTIFICATE_FILE. Otherwise correct "
      + "\(name)."
  }

  /// The error if the daemon does not accept the token.
  static func tokenRefused(_ refusal: KacheryError) -> KacheryError {
    guard let tokenFile else { return refusal }
    return KacheryError(
      .forbidden,
      "The daemon at \(address) does not accept the token in \(tokenFile), which KACHERY_API_TOKEN_FILE names; ask its "
        + "owner for the current one.", cause: refusal)
  }
}
