import Files
import HTTP
import Primitives
import Threads

/// Reads one channel's document from its source, on a thread of its own.
actor DocumentReader {
  /// The timeout for fetching a document.
  private static let fetchTime: Duration = .seconds(30)

  private let worker = ThreadExecutor(name: "channel")
  private let proxies: ProxySettings

  nonisolated var unownedExecutor: UnownedSerialExecutor { worker.asUnownedSerialExecutor() }

  init(_ proxies: ProxySettings) { self.proxies = proxies }

  /// The bytes of the document at this path or URL.
  ///
  /// - Parameter onlyPublic: whether it may come from a public address only.
  func read(_ address: String, onlyPublic: Bool) -> Result<[UInt8], KacheryError> {
    Result { () throws(KacheryError) in try bytes(of: address, onlyPublic: onlyPublic) }
  }

  private func bytes(of address: String, onlyPublic: Bool) throws(KacheryError) -> [UInt8] {
    if address.begins(with: "/") { return try FileSystem.read(address, limit: 1 << 20) }
    if let path = address.removing(prefix: "file://") { return try FileSystem.read(String(path), limit: 1 << 20) }
    guard address.begins(with: "http://") || address.begins(with: "https://") else {
      throw KacheryError(.badConfiguration, "The channel \(address) is neither http, https nor a file.")
    }
    var request = HTTPRequest("GET", address)
    request.timeout = Self.fetchTime
    request.redirects = 5
    let rules = proxies.rules
    if onlyPublic {
      // A proxy resolves names itself; where it would lead a redirect cannot be seen here.
      let isProxied = try rules.proxy(for: Self.host(in: address)) != nil
      request.onlyPublicAddresses = !isProxied
      if isProxied { request.redirects = 0 }
    }
    request.proxies = rules.source == .environment ? .environment : .rules(rules)
    let (status, body) = try HTTPClient.fetch(request, limit: 1 << 20)
    guard status == 200 else {
      let isGone = status == 404 || status == 410
      throw KacheryError(
        isGone ? .notFound : .disconnected,
        "The web server answers for \(address) with status \(status)\(isGone ? ", so there is no document" : "").")
    }
    return body
  }

  private static func host(in address: String) -> String {
    let rest = address.removing(prefix: "https://") ?? address.removing(prefix: "http://") ?? ""
    let authority = rest.cut(at: "/").head.cut(at: "?").head.cut(at: "#").head
    return String((authority.removing(prefix: "[")?.cut(at: "]") ?? authority.cut(at: ":")).head)
  }
}
