import Crypto
import Discovery
import Files
import HTTP
import Primitives
import Threads

/// Fetches channels' documents, and keeps the last valid copy of each in case its source fails.
///
/// Each document is fetched on a thread of its own, so that a source that does not answer delays no other one. The
/// copies are read and written on one more thread.
actor ChannelSource {
  /// The reader of a document, and the number of those who wait for it.
  private struct Fetching {
    let reader: DocumentReader
    var waiting = 0
  }

  private let worker = ThreadExecutor(name: "channels")
  private let folder: String
  private let proxies: ProxySettings
  private var fetching: [ByteString: Fetching] = [:]

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
  /// - Parameter onlyPublic: whether it may come from a public address only.
  /// - Throws: if its source cannot be reached or returns no valid document; the copy then stays unchanged.
  func fetch(_ address: ByteString, onlyPublic: Bool = false) async throws(KacheryError) -> ChannelDocument {
    let bytes = try await bytes(of: address, onlyPublic: onlyPublic).get()
    let document = try ChannelDocument(yaml: bytes)
    try FileSystem.createFolder(folder, permissions: 0o700)
    let copy = path(of: address)
    let isSame = (try? FileSystem.read(copy, limit: 1 << 20)) == bytes
    if !isSame { try FileSystem.replace(copy, with: bytes, permissions: 0o600) }
    return document
  }

  private func bytes(of address: ByteString, onlyPublic: Bool) async -> Result<[UInt8], KacheryError> {
    var own = fetching[address] ?? Fetching(reader: DocumentReader(proxies))
    own.waiting += 1
    fetching[address] = own
    let result = await own.reader.read(address.text, onlyPublic: onlyPublic)
    let waiting = (fetching[address]?.waiting ?? 1) - 1
    if waiting > 0 { fetching[address]?.waiting = waiting } else { fetching[address] = nil }
    return result
  }

  private func path(of address: ByteString) -> String {
    let digest = SHA256Digest.of(Array("kachery channel topic 1\0".utf8) + Array(address.utf8))
    return "\(folder)/\(Hex.encode(digest)).yaml"
  }
}

extension ChannelSource {
  /// The current document. `then` is called on a thread of the source's.
  nonisolated func fetch(
    _ address: ByteString, onlyPublic: Bool, then: @escaping @Sendable (Result<ChannelDocument, KacheryError>) -> Void
  ) {
    Task { await self.report(address, onlyPublic, then) }
  }

  private func report(
    _ address: ByteString, _ onlyPublic: Bool, _ then: (Result<ChannelDocument, KacheryError>) -> Void
  ) async {
    let result: Result<ChannelDocument, KacheryError>
    do throws(KacheryError) { result = .success(try await fetch(address, onlyPublic: onlyPublic)) } catch {
      result = .failure(error)
    }
    then(result)
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
