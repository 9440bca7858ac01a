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
  func read(_ address: String) -> Result<[UInt8], KacheryError> {
    Result { () throws(KacheryError) in try bytes(of: address) }
  }

  private func bytes(of address: String) throws(KacheryError) -> [UInt8] {
    if address.begins(with: "/") { return try FileSystem.read(address, limit: 1 << 20) }
    if let path = address.removing(prefix: "file://") { return try FileSystem.read(String(path), limit: 1 << 20) }
    guard address.begins(with: "http://") || address.begins(with: "https://") else {
      throw KacheryError(.badConfiguration, "The channel \(address) is neither http, https nor a file.")
    }
    var request = HTTPRequest("GET", address)
    request.timeout = Self.fetchTime
    request.redirects = 5
    let rules = proxies.rules
    request.proxies = rules.source == .environment ? .environment : .rules(rules)
    let (status, body) = try HTTPClient.fetch(request, limit: 1 << 20)
    guard status == 200 else {
      throw KacheryError(.disconnected, "The channel's document at \(address) was answered with status \(status).")
    }
    return body
  }
}
