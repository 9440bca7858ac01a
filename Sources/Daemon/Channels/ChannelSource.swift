import Discovery
import Files
import HTTP
import Primitives
import Threads

/// Fetches channels' documents on a separate thread, and keeps the last valid copy of each in case its source fails.
actor ChannelSource {
  /// The timeout for fetching a document.
  private static let fetchTime: Duration = .seconds(30)

  private let worker = ThreadExecutor(name: "channels")
  private let folder: String
  private let proxies: ProxySettings

  nonisolated var unownedExecutor: UnownedSerialExecutor { worker.asUnownedSerialExecutor() }

  /// A source that keeps its copies in `folder`.
  init(folder: String, proxies: ProxySettings = ProxySettings()) {
    self.folder = folder
    self.proxies = proxies
  }

  /// Whether a channel's address is that of a document, not a bare name.
  static func isDocument(_ address: ByteString) -> Bool {
    address.text.begins(with: "/") || address.text.contains(bytesOf: "://")
  }

  /// The last valid copy of the document; nil if there is none.
  func copy(of address: ByteString) -> ChannelDocument? {
    guard let bytes = try? FileSystem.read(path(of: address), limit: 1 << 20) else { return nil }
    return try? ChannelDocument(yaml: bytes)
  }

  /// The current document.
  ///
  /// - Throws: if its source cannot be reached or returns no valid document; the copy then stays unchanged.
  func fetch(_ address: ByteString) throws(KacheryError) -> ChannelDocument {
    let bytes = try bytes(of: address.text)
    let document = try ChannelDocument(yaml: bytes)
    try FileSystem.createFolder(folder, permissions: 0o700)
    let copy = path(of: address)
    let isSame = (try? FileSystem.read(copy, limit: 1 << 20)) == bytes
    if !isSame { try FileSystem.replace(copy, with: bytes, permissions: 0o600) }
    return document
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

  private func path(of address: ByteString) -> String { "\(folder)/\(ChannelSecret(name: address).topic).yaml" }
}

extension ChannelSource {
  /// The current document. `then` is called on a thread of the source's.
  nonisolated func fetch(
    _ address: ByteString, then: @escaping @Sendable (Result<ChannelDocument, KacheryError>) -> Void
  ) {
    Task { await self.report(address, then) }
  }

  private func report(_ address: ByteString, _ then: (Result<ChannelDocument, KacheryError>) -> Void) {
    then(Result { () throws(KacheryError) in try fetch(address) })
  }

  /// The last valid copies of these documents, if any. `then` is called on a thread of the source's.
  nonisolated func copies(
    of addresses: [ByteString], then: @escaping @Sendable ([ByteString: ChannelDocument]) -> Void
  ) {
    Task { await self.report(addresses, then) }
  }

  private func report(_ addresses: [ByteString], _ then: ([ByteString: ChannelDocument]) -> Void) {
    var copies: [ByteString: ChannelDocument] = [:]
    for address in addresses { copies[address] = copy(of: address) }
    then(copies)
  }
}
