import APIModel
import HTTP
import Primitives

/// The daemon that holds a port this daemon wants to listen on.
enum PortHolder {
  private static let patience: Duration = .seconds(2)

  /// An error that names the daemon at the port; the original error if none answers. Waits for the network.
  static func named(_ error: KacheryError, host: String, port: UInt16) -> KacheryError {
    guard error.code == .alreadyRunning, let holder = daemon(host: host, port: port) else { return error }
    return KacheryError(
      .alreadyRunning,
      "Port \(port) on \(host) is in use by the daemon of node \(holder.node.short), whose storage directory is "
        + "\(holder.storageDirectory). Stop that one with kachery-p2p-stop-daemon, or choose another port with "
        + "KACHERY_P2P_API_PORT.", cause: error)
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
