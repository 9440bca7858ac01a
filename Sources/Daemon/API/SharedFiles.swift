import APIModel
import ContentStore
import Diagnostics
import EventLoop
import Files
import Gateway
import LocalAPI
import Primitives

/// What the gateway may share: what this node would send to a member of the channels that are named for the gateway, and
/// what other members of these channels have. Bound to the node's loop.
actor SharedFiles: GatewayContent {
  /// Files for which other nodes may be asked at a time, in all and for one client.
  private static let mostSearches = 64
  private static let mostSearchesOfClient = 8
  /// The manifests that are kept: this many chunks together, of 20 bytes in memory each.
  private static let mostChunks = 500_000
  private static let mostMisdescribed = 10_000

  /// A large file of other nodes.
  private struct Known {
    let manifest: Manifest
    let channel: ByteString
  }

  private let node: Node
  private let loop: EventLoop
  private let store: ContentStore
  private let channels: [String]
  private var known: [ContentHash: Known] = [:]
  /// The order in which they became known.
  private var order = Queue<ContentHash>()
  private var chunkCount = 0
  /// Files for which a node has named a false manifest. They are loaded whole, because only that shows who is right.
  private var misdescribed: Set<ContentHash> = []
  private var searches: [UInt32: Int] = [:]

  nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

  /// - Parameter channels: by name, address or label.
  init(of node: Node, in channels: [String], loop: EventLoop) {
    self.node = node
    self.channels = channels
    self.loop = loop
    store = node.storage.store
  }

  func open(_ key: FileKey, for client: UInt32) async throws(KacheryError) -> any GatewayFile {
    let shared = await node.memberships(among: channels)
    guard !shared.isEmpty else { throw KacheryError(.noChannel, "This node is in no channel of the gateway.") }
    if let file = try await openHere(key.hash) { return file }
    if let known = known[key.hash], shared.contains(known.channel) {
      return file(known.manifest, over: known.channel)
    }
    return try await openElsewhere(key, over: shared, for: client)
  }

  private func openHere(_ hash: ContentHash) async throws(KacheryError) -> StoredSharedFile? {
    let reader = try await loop.onPool { [store] () throws(KacheryError) in try store.open(hash) }
    return reader.map { StoredSharedFile(reader: $0, node: node) }
  }

  /// Asks the members of the channels, one channel after the other.
  private func openElsewhere(
    _ key: FileKey, over channels: [ByteString], for client: UInt32
  ) async throws(KacheryError) -> any GatewayFile {
    guard searches.values.reduce(0, +) < Self.mostSearches, searches[client] ?? 0 < Self.mostSearchesOfClient else {
      throw KacheryError(.sourceBusy, "Too many files are being looked for.")
    }
    searches[client, default: 0] += 1
    defer { searches[client] = searches[client].flatMap { $0 > 1 ? $0 - 1 : nil } }
    var problems: [KacheryError] = []
    for channel in channels {
      do throws(KacheryError) {
        let request = ReadRequest(key: key, start: 0, end: nil, channel: channel.text)
        if !misdescribed.contains(key.hash), let manifest = try await node.manifest(for: request) {
          remember(Known(manifest: manifest, channel: channel))
          return file(manifest, over: channel)
        }
        // A small file is loaded whole.
        _ = try await node.load(key, request)
        if let file = try await openHere(key.hash) { return file }
      } catch {
        problems.append(error)
      }
    }
    // That no member was there to ask says more than that the others do not have it.
    throw problems.first { $0.code != .notFound } ?? KacheryError(.notFound, "No member has the file \(key.hash).")
  }

  private func file(_ manifest: Manifest, over channel: ByteString) -> RemoteSharedFile {
    RemoteSharedFile(manifest: manifest, channel: channel, node: node, loop: loop) { [weak self] in
      await self?.forget(manifest)
    }
  }

  /// The manifest is not that of the file.
  private func forget(_ manifest: Manifest) {
    if misdescribed.count == Self.mostMisdescribed { misdescribed = [] }
    misdescribed.insert(manifest.hash)
    // Its place in the order stays, and counts for nothing.
    chunkCount -= known.removeValue(forKey: manifest.hash)?.manifest.chunkHashes.count ?? 0
  }

  private func remember(_ file: Known) {
    let hash = file.manifest.hash
    guard known.updateValue(file, forKey: hash) == nil else { return }
    order.append(hash)
    chunkCount += file.manifest.chunkHashes.count
    while chunkCount > Self.mostChunks, let oldest = order.popFirst() {
      chunkCount -= known.removeValue(forKey: oldest)?.manifest.chunkHashes.count ?? 0
    }
  }
}

extension SharedFiles {
  /// Starts the gateway at the configured address; nil if there is none.
  static func startGateway(for node: Node, loop: EventLoop, log: Log) async throws(KacheryError) -> GatewayServer? {
    let configuration = node.configuration
    guard let endpoint = configuration.gateway else { return nil }
    let names = configuration.gatewayChannels
    let server = try GatewayServer(
      loop: loop, content: SharedFiles(of: node, in: names, loop: loop), at: endpoint,
      origins: configuration.gatewayOrigins, metrics: node.counters.gateway)
    try await server.start()
    let address = "http://\(endpoint)"
    // The names of channels are secrets, and more people read the log than the configuration.
    if names.isEmpty {
      log.warning(
        "The gateway on \(address) serves nothing: name the channels whose files it may share, with --gateway-channel "
          + "or gatewayChannel in kachery.yaml.")
    } else {
      log.info(
        "The gateway is on \(address), for anyone who reaches it: it shares the files of "
          + "\(names.count) channel\(names.count == 1 ? "" : "s").")
    }
    let absent = await node.notJoined(among: names)
    if absent > 0 {
      log.warning(
        "\(absent) of the channels that are named for the gateway \(absent == 1 ? "is" : "are") not joined, so nothing "
          + "is shared there: 'kachery channel join' joins a channel.")
    }
    return server
  }
}

extension Node {
  fileprivate func memberships(among names: [String]) -> [ByteString] { channels.memberships(among: names) }

  fileprivate func notJoined(among names: [String]) -> Int {
    names.count { channels.joinedChannel(named: $0) == nil }
  }

  /// Waits until the owner's limit allows this many bytes of a file to be sent to clients of the gateway.
  fileprivate func admit(_ count: Int, of hash: ContentHash) async {
    await withCheckedContinuation { continuation in uploads.admit(count, of: hash) { continuation.resume() } }
  }
}

/// A stored file.
private struct StoredSharedFile: GatewayFile {
  let reader: StoredFileReader
  let node: Node

  var size: UInt64 { reader.size }

  func bytes(_ range: ByteRange) throws(KacheryError) -> any GatewayBytes {
    let stored = try StoredBytes(reader, loop: node.loop, start: range.start, end: range.end)
    return LimitedBytes(bytes: stored, hash: reader.hash, node: node)
  }
}

/// A large file of other nodes, whose chunks are loaded as they are read.
private struct RemoteSharedFile: GatewayFile {
  let manifest: Manifest
  let channel: ByteString
  let node: Node
  let loop: EventLoop
  let onMismatch: @Sendable () async -> Void

  var size: UInt64 { manifest.size }

  func bytes(_ range: ByteRange) throws(KacheryError) -> any GatewayBytes {
    let request = ReadRequest(key: FileKey(hash: manifest.hash), start: 0, end: nil, channel: channel.text)
    let chunks = RangeOfChunks(range, of: manifest, loop: loop) { [node] key throws(KacheryError) in
      try await node.load(key, request)
    }
    let isWhole = range == ByteRange(whole: manifest.size)
    let checked: any FileBytes =
      isWhole ? CheckedBytes(chunks, of: manifest.hash, onMismatch: onMismatch) : chunks
    return LimitedBytes(bytes: checked, hash: manifest.hash, node: node)
  }
}

/// Bytes that count towards the owner's limit for sending.
private struct LimitedBytes: GatewayBytes {
  let bytes: any FileBytes
  let hash: ContentHash
  let node: Node

  var count: UInt64 { bytes.count }

  func block(at offset: UInt64) async throws(KacheryError) -> [UInt8] {
    let block = try await bytes.block(at: offset)
    await node.admit(block.count, of: hash)
    return block
  }
}
