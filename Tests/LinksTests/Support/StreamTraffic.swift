import Crypto
import Primitives

@testable import Links

/// Writes all bytes to a stream, as fast as it takes them, and finishes it.
func pour(_ bytes: [UInt8], into stream: any ByteStream, finishing: Bool = true) {
  var sent = 0
  let step = { [weak stream] in
    guard let stream else { return }
    while sent < bytes.count, stream.isWritable {
      let end = min(sent + 100_000, bytes.count)
      stream.write(Array(bytes[sent..<end]))
      sent = end
    }
    if finishing, sent == bytes.count { stream.finish() }
  }
  stream.onWritable = step
  step()
}

/// What arrived on a stream by its end.
struct Received: Equatable, Sendable {
  var count = 0
  var hash: ContentHash
  var end: LinkStreamEnd

  init(count: Int, hash: ContentHash, end: LinkStreamEnd) {
    (self.count, self.hash, self.end) = (count, hash, end)
  }

  /// All of these bytes, and then the end.
  static func all(_ bytes: [UInt8]) -> Received { Received(count: bytes.count, hash: .of(bytes), end: .finished) }
}

/// Reads a stream to its end.
func drain(_ stream: any ByteStream, _ done: @escaping (Received) -> Void) {
  var digest = SHA1Digest()
  var count = 0
  stream.onData = { [weak stream] bytes in
    digest.update(bytes)
    count += bytes.count
    stream?.consumed(bytes.count)
  }
  stream.onEnd = { end in done(Received(count: count, hash: digest.finish(), end: end)) }
}

/// Sends back what arrives on a stream, and ends with it.
func echo(_ stream: any ByteStream) {
  stream.onData = { [weak stream] bytes in
    stream?.write(Array(bytes))
    stream?.consumed(bytes.count)
  }
  stream.onEnd = { [weak stream] _ in stream?.finish() }
}
