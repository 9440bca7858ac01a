package import APIModel

/// What the local API needs to load many files at once.
package protocol LocalBatchLoading: Actor {
  /// Brings the files here. What is told together comes together. Whoever stops reading the stream no
  /// longer wants them.
  func loadFiles(_ request: BatchLoadRequest) -> AsyncThrowingStream<[BatchLoadEvent], any Error>
}
