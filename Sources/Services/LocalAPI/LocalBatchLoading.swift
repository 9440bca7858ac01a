package import APIModel

/// What the local API needs to load many files in one request, and to have other nodes do so.
package protocol LocalBatchLoading: Actor {
  /// Loads the files. Each element holds the events of one loop turn. The load is cancelled when the consumer stops
  /// reading the stream.
  func loadFiles(_ request: BatchLoadRequest) -> AsyncThrowingStream<[BatchLoadEvent], any Error>
  /// Asks other nodes to keep copies of stored files.
  func replicate(_ request: ReplicationRequest) -> AsyncThrowingStream<ReplicationEvent, any Error>
}
