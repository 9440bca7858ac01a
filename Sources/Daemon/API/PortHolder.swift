import APIModel
import Files
import HTTP
import Primitives

/// The daemon that holds a port this daemon wants to listen on.
enum PortHolder {
  private static let patience: Duration = .seconds(2)

  /// An error that names the daemon at the port; the original error if none answers. Waits for the network.
  static func named(_ error: KacheryError, host: String, port: UInt16) -> KacheryError {
    guard error.code == .alreadyRunning, let holder = daemon(host: host, port: port) else { return error }
    let remedy =
      isOwn(holder)
      ? "Stop that one with kachery-p2p-stop-daemon, or choose another port with KACHERY_P2P_API_PORT."
      : "It is another user's: use it if its owner has started it with --auth-group and a group of yours, or choose "
        + "another port for this one: export KACHERY_P2P_API_PORT=\(port < UInt16.max ? port + 2 : port - 2)."
    return KacheryError(
      .alreadyRunning,
      "Port \(port) on \(host) is in use by the daemon of node \(holder.node.short), whose storage directory is "
        + "\(holder.storageDirectory). \(remedy)", cause: error)
  }

  /// Whether the daemon's directory belongs to the user of this process. One that cannot be seen does not.
  private static func isOwn(_ holder: ProbeReply) -> Bool {
    guard let status = try? FileSystem.status(holder.storageDirectory) else { return false }
    return status.owner == FileSystem.user || FileSystem.user == 0
  }

  private static func daemon(host: String, port: UInt16) -> ProbeReply? {
    var request = HTTPRequest("GET", "http://\(host == "0.0.0.0" ? "127.0.0.1" : host):\(port)/probe")
    request.connectTimeout = patience
    request.timeout = patience
    guard let answer = try? HTTPClient.fetch(request, limit: 4 << 20), answer.status == 200,
      let json = try? JSONParser.parse(answer.body)
    else { return nil }
    return try? ProbeReply(json: json)
  }
}
