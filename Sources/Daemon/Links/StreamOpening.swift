import Links
import Wire

/// The beginning of a stream that the peer has opened: its first byte says what it is for. Bound to the loop.
enum StreamOpening {
  /// Calls `then` once the first byte is here, with what arrived behind it. None of these bytes count against the window any
  /// more. A stream of an unknown kind is reset.
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
