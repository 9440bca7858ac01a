import Links
import Wire

/// The start of a stream that the peer has opened: its first byte is its kind. Bound to the loop.
enum StreamOpening {
  /// Calls `then` once the first byte has arrived, with the bytes after it. All of these bytes are already released.
  /// Resets a stream of an unknown kind.
  static func read(_ stream: any ByteStream, _ then: @escaping (StreamKind, any ByteStream, [UInt8]) -> Void) {
    stream.onData = { [weak stream] bytes in
      guard let stream, let first = bytes.first else { return }
      let rest = Array(bytes.dropFirst())
      stream.onData = nil
      guard let kind = StreamKind(rawValue: first) else { return stream.reset() }
      stream.consumed(1 + rest.count)
      then(kind, stream, rest)
    }
  }
}
