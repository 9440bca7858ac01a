/// What a stream has to send.
package struct QUICChunk {
  package var stream: Int64
  /// Bytes that stay where they are until they are acknowledged, or the stream is closed.
  package var bytes: UnsafeRawBufferPointer
  /// Whether the stream ends after them.
  package var isLast: Bool

  /// These bytes of a stream.
  package init(stream: Int64, bytes: UnsafeRawBufferPointer, isLast: Bool) {
    (self.stream, self.bytes, self.isLast) = (stream, bytes, isLast)
  }
}

/// The user of a connection, which has its streams. Called from within the connection's methods; meanwhile it may call
/// only those of the connection that say so.
package protocol QUICConnectionUser: AnyObject {
  /// The peer has opened a stream.
  func opened(_ stream: Int64)
  /// Bytes have arrived, the last ones of the stream if `isLast`. The pointer is valid for the call only.
  func received(_ bytes: UnsafeRawBufferPointer, isLast: Bool, on stream: Int64)
  /// The peer has the next `count` bytes of those sent; 0 if it has an end that was sent without bytes.
  func acknowledged(_ count: Int, on stream: Int64)
  /// A stream that was blocked may send again.
  func unblocked(_ stream: Int64)
  /// The peer has given the stream up.
  func reset(_ stream: Int64)
  /// A stream is over in both directions, and none of its bytes are needed anymore.
  func closed(_ stream: Int64, isClean: Bool)
  /// The peer admits more streams.
  func mayOpenStreams()
  /// Bytes have arrived that belong to no stream.
  func receivedDatagram(_ bytes: UnsafeRawBufferPointer)

  /// The next bytes to send without a stream; nil if there are none. They are lost if their packet is.
  func nextDatagram() -> [UInt8]?
  /// These bytes were taken into a packet.
  func tookDatagram()
  /// What to send next; nil if there is nothing.
  func nextChunk() -> QUICChunk?
  /// The first `count` bytes of the last chunk were taken into a packet, and the end with them if they are all.
  func took(_ count: Int, of chunk: QUICChunk)
  /// The peer admits no more bytes on the stream of the last chunk.
  func blocked(_ stream: Int64)
  /// The stream of the last chunk can send nothing more.
  func gone(_ stream: Int64)
}
