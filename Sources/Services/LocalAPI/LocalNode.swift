package import APIModel
package import Diagnostics
package import Primitives

/// What the local API needs from its node.
package protocol LocalNode: LocalStoreKeeping, LocalBatchLoading, LocalExplaining, LocalFeeds, LocalChannels {
  /// The answer to `/probe`.
  var probe: ProbeReply { get }
  /// The node's counters.
  nonisolated var metrics: Metrics { get }
  /// What is read when the metrics are asked for.
  ///
  /// - Parameter namingChannels: whether the asker may know the names of channels, which are secrets.
  func gauges(namingChannels: Bool) async -> [MetricFamily]
  /// The content of the status page: names, values and peers.
  var status: NodeStatus { get }
  /// The transfers between this node and others that are underway, in a stable order.
  var transfers: [TransferState] { get }

  /// Requests that the daemon stop, on behalf of the user.
  func requestStop()

  /// Stores a copy of a local file.
  func storeFile(at path: String) async throws(KacheryError) -> StoreReply
  /// Links a local file, which must have this size and modification time.
  func linkFile(_ request: LinkRequest) async throws(KacheryError) -> StoreReply
  /// Starts storing bytes that arrive in pieces.
  func beginUpload() async throws(KacheryError) -> any Upload

  /// The nodes that have the file, this one first. Ends at the timeout, or once all nodes have answered.
  func findFile(_ request: FindFileRequest) -> AsyncStream<FoundFile>
  /// Loads the file. The load is cancelled when the consumer stops reading the stream.
  func loadFile(_ request: LoadRequest) -> AsyncThrowingStream<LoadEvent, any Error>
  /// The bytes of a range of a file, loading no more of it than the chunks that hold the range.
  func openRange(_ request: ReadRequest) async throws(KacheryError) -> any FileBytes
  /// The bytes of a stored file.
  func openFile(_ request: DownloadRequest) async throws(KacheryError) -> any FileBytes

  /// The value of a mutable; nil if there is none.
  func mutable(_ key: JSONValue) async throws(KacheryError) -> JSONValue?
  /// Sets a mutable. Without `update` an existing value is kept; returns whether it was set.
  func setMutable(_ key: JSONValue, _ value: JSONValue, update: Bool) async throws(KacheryError) -> Bool
  /// Removes a mutable.
  func deleteMutable(_ key: JSONValue) async throws(KacheryError)
}

/// Bytes being stored.
package protocol Upload: Sendable {
  /// Stores the next bytes.
  func write(_ bytes: [UInt8]) async throws(KacheryError)
  /// Ends the upload after its last byte.
  func finish() async throws(KacheryError) -> StoreReply
  /// Discards the upload because the client gave up.
  func cancel() async
}

/// The bytes of a stored file, block by block.
package protocol FileBytes: Sendable {
  /// Total number of bytes.
  var count: UInt64 { get }
  /// The block that starts `offset` bytes into the range.
  func block(at offset: UInt64) async throws(KacheryError) -> [UInt8]
}
