import Crypto
import Diagnostics
import EventLoop
import Files
import HTTP
import LocalAPI
import Primitives
import Process
import TLS

/// The API for clients on other machines: over TLS, with a token.
enum RemoteAPI {
  private static let maximumFile = 64 << 10

  /// Listens at the configured address; nil if there is none. Certificate, key and token are in the configuration
  /// directory; missing ones are created.
  static func start(for node: Node, loop: EventLoop, log: Log) async throws(KacheryError) -> LocalAPIServer? {
    let configuration = node.configuration
    guard let endpoint = configuration.remoteAPI else { return nil }
    let folder = configuration.configurationDirectory
    try FileSystem.createFolder(folder, permissions: 0o700)
    let (certificatePath, keyPath, tokenPath) =
      ("\(folder)/api-certificate.pem", "\(folder)/api-key.pem", "\(folder)/api-token")
    if try FileSystem.statusIfPresent(certificatePath) == nil, try FileSystem.statusIfPresent(keyPath) == nil {
      let made = try ServerCertificate(
        for: configuration.label.isEmpty ? "kachery" : configuration.label,
        reachedAt: places(of: endpoint, configuration))
      try FileSystem.replace(keyPath, with: Array(made.key.utf8), permissions: 0o600)
      try FileSystem.replace(certificatePath, with: Array(made.certificate.utf8), permissions: 0o644)
    }
    if try FileSystem.statusIfPresent(tokenPath) == nil {
      try FileSystem.replace(tokenPath, with: Array(Hex.encode(SecureRandom.bytes(24)).utf8), permissions: 0o600)
    }
    let server = try LocalAPIServer(
      loop: loop, node: node, host: endpoint.host, port: endpoint.port,
      access: .bearer(try BearerToken(try text(tokenPath))),
      credentials: HTTPServer.Credentials(certificate: try text(certificatePath), key: try text(keyPath)),
      policy: AccessPolicy(), log: log)
    try await server.start()
    let port = await server.port
    log.info(
      "The API for other machines is on https://\(endpoint.host):\(port): give its users \(certificatePath) and "
        + "the token in \(tokenPath).")
    return server
  }

  /// Where clients may reach the API: at this machine's names, and at the address on which it listens, or at all.
  private static func places(of endpoint: Endpoint, _ configuration: DaemonConfiguration) -> [String] {
    let isAnywhere = ["0.0.0.0", "::"].contains(endpoint.host)
    let addresses = isAnywhere ? NetworkInterface.all.map(\.host) : [endpoint.host]
    let names = [configuration.announcedHost, CurrentProcess.hostName, "localhost"].compactMap { $0 }
    var places: [String] = []
    for place in names + addresses + ["127.0.0.1", "::1"]
    where !places.contains(where: { ByteString($0) == ByteString(place) }) {
      places.append(place)
    }
    return places
  }

  private static func text(_ path: String) throws(KacheryError) -> String {
    String(decoding: try FileSystem.read(path, limit: maximumFile), as: UTF8.self)
  }
}

extension DaemonConfiguration {
  /// The files of the API for other machines that no other user may read: who has them can use the daemon. None if it does
  /// not serve other machines.
  var remoteAPISecrets: [String] {
    remoteAPI == nil ? [] : ["api-key.pem", "api-token"].map { "\(configurationDirectory)/\($0)" }
  }
}
