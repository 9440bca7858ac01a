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
    if try FileSystem.statusIfPresent(tokenPath) == nil { try makeToken(tokenPath) }
    let server = try LocalAPIServer(
      loop: loop, node: node, host: endpoint.host, port: endpoint.port,
      access: .bearer(try BearerToken(try text(tokenPath))), reading: try readingToken(configuration),
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

  /// The token with which programs may read. If the owner has none, one is made for programs on other machines, and
  /// nothing is returned if these are not served.
  static func readingToken(_ configuration: DaemonConfiguration) throws(KacheryError) -> BearerToken? {
    let path = configuration.readingTokenPath
    if try FileSystem.statusIfPresent(path) == nil {
      guard configuration.remoteAPI != nil else { return nil }
      try FileSystem.createFolder(configuration.configurationDirectory, permissions: 0o700)
      try makeToken(path)
    }
    return try BearerToken(try text(path))
  }

  private static func makeToken(_ path: String) throws(KacheryError) {
    try FileSystem.replace(path, with: Array(Hex.encode(SecureRandom.bytes(24)).utf8), permissions: 0o600)
  }

  private static func text(_ path: String) throws(KacheryError) -> String {
    String(decoding: try FileSystem.read(path, limit: maximumFile), as: UTF8.self)
  }
}

extension DaemonConfiguration {
  /// The files of the API that no other user may read, because they give access to the daemon.
  var apiSecrets: [String] {
    let forOtherMachines = remoteAPI == nil ? [] : ["api-key.pem", "api-token"]
    return forOtherMachines.map { "\(configurationDirectory)/\($0)" } + [readingTokenPath]
  }

  /// The file of the token with which programs may read, such as one that watches the node.
  var readingTokenPath: String { "\(configurationDirectory)/api-read-token" }
}
