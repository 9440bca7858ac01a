package import APIModel
package import Diagnostics
package import Primitives

/// What the local API needs of the node that it speaks for.
package protocol LocalNode: LocalStoreKeeping, LocalBatchLoading, LocalExplaining, LocalFeeds {
  /// What `/probe` tells.
  var probe: ProbeReply { get }
  /// The node's counters.
  nonisolated var metrics: Metrics { get }
  /// What the status page shows: names and values, and the peers.
  var status: NodeStatus { get }

  /// The user wants the daemon to stop.
  func requestStop()

  /// Stores a copy of a local file.
  func storeFile(at path: String) async throws(KacheryError) -> StoreReply
  /// Links a local file, which must have this size and time of change.
  func linkFile(_ request: LinkRequest) async throws(KacheryError) -> StoreReply
  /// Begins to store bytes that arrive in pieces.
  func beginUpload() async throws(KacheryError) -> any Upload

  /// The nodes that have the file, this one first. Ends at the time-out, or when everybody has answered.
  func findFile(_ request: FindFileRequest) -> AsyncStream<FoundFile>
  /// Brings the file here. Whoever stops reading the stream no longer wants it.
  func loadFile(_ request: LoadRequest) -> AsyncThrowingStream<LoadEvent, any Error>
  /// The bytes of a range of a file, of which no more is brought here than the chunks that hold it.
  func openRange(_ request: ReadRequest) async throws(KacheryError) -> any FileBytes
  /// The bytes of a file that is here.
  func openFile(_ request: DownloadRequest) async throws(KacheryError) -> any FileBytes

  /// The value of a mutable; nil if there is none.
  func mutable(_ key: JSONValue) async throws(KacheryError) -> JSONValue?
  /// Sets a mutable. Without `update` an existing one is kept; says whether it was set.
  func setMutable(_ key: JSONValue, _ value: JSONValue, update: Bool) async throws(KacheryError) -> Bool
  /// Removes a mutable.
  func deleteMutable(_ key: JSONValue) async throws(KacheryError)
}

/// Bytes on their way into the store.
package protocol Upload: Sendable {
  /// Takes in the next bytes.
  func write(_ bytes: [UInt8]) async throws(KacheryError)
  /// Everything has come.
  func finish() async throws(KacheryError) -> StoreReply
  /// The client has given up.
  func cancel() async
}

/// Bytes of a stored file, block by block.
package protocol FileBytes: Sendable {
  /// Bytes in all.
  var count: UInt64 { get }
  /// The block that begins `offset` bytes into the range.
  func block(at offset: UInt64) async throws(KacheryError) -> [UInt8]
}

/// What the status page shows of a node.
package struct NodeStatus: Sendable {
  /// A node that this one is linked to.
  package struct Peer: Sendable {
    package var node: NodeID
    package var label: String
    package var address: String
    package var isBootstrap: Bool
    /// By how many seconds its clock is ahead of this machine's.
    package var clockOffset: Int64
    /// How often it has given bytes, or said something, that is not so.
    package var badAnswers: Int

    package init(
      node: NodeID, label: String, address: String, isBootstrap: Bool, clockOffset: Int64 = 0, badAnswers: Int = 0
    ) {
      self.node = node
      self.label = label
      self.address = address
      self.isBootstrap = isBootstrap
      self.clockOffset = clockOffset
      self.badAnswers = badAnswers
    }

    /// As `/v1/peers` tells of it.
    var json: JSONValue {
      [
        "nodeId": .string(node.hex), "label": .string(label), "address": .string(address),
        "isBootstrapNode": .bool(isBootstrap), "clockOffsetSeconds": .integer(clockOffset),
        "badAnswers": .integer(Int64(badAnswers)),
      ]
    }
  }

  package var label: String
  /// Where other nodes reach this one.
  package var listening: String
  /// Seconds since the start.
  package var uptime: Int
  package var peers: [Peer]

  package init(label: String, listening: String, uptime: Int, peers: [Peer]) {
    self.label = label
    self.listening = listening
    self.uptime = uptime
    self.peers = peers
  }
}
