package import Primitives

/// One message as it travels: a 32-bit length, a type, and the message's fields.
///
/// The length counts the type and the fields. Bytes behind the last known field are ignored, so that later minor
/// versions may append fields.
package struct Frame: Hashable, Sendable {
  package let type: UInt8
  package let body: ArraySlice<UInt8>

  /// The bytes of a frame of this type whose fields `write` writes.
  package static func encode(_ type: UInt8, _ write: (inout ByteWriter) -> Void) -> [UInt8] {
    var body = ByteWriter()
    write(&body)
    var frame = ByteWriter()
    frame.integer(UInt32(body.bytes.count + 1))
    frame.integer(type)
    frame.raw(body.bytes)
    return frame.bytes
  }
}

/// Cuts a stream of bytes into frames.
package struct FrameDecoder: Sendable {
  /// Bytes before a frame's type.
  private static let lengthBytes = 4

  /// The longest frame accepted, in bytes. It may be raised once a peer has proved membership.
  package var limit: Int
  private var buffer: [UInt8] = []
  /// Where the next frame begins.
  private var head = 0

  /// A decoder that refuses frames of more than `limit` bytes.
  package init(limit: Int) { self.limit = limit }

  /// Takes in the next bytes of the stream.
  package mutating func append(_ bytes: some Sequence<UInt8>) {
    // Here, not at each frame: thousands of small ones may come at once.
    buffer.removeFirst(head)
    head = 0
    buffer.append(contentsOf: bytes)
  }

  /// The next whole frame; nil until more bytes have come.
  package mutating func next() throws(WireError) -> Frame? {
    guard buffer.count - head >= Self.lengthBytes else { return nil }
    let length = buffer[head..<head + Self.lengthBytes].reduce(0) { $0 << 8 | Int($1) }
    guard length <= limit else { throw .frameTooLong }
    guard length > 0 else { throw .malformed(.truncated) }
    let start = head + Self.lengthBytes
    guard buffer.count - start >= length else { return nil }
    head = start + length
    return Frame(type: buffer[start], body: ArraySlice(Array(buffer[start + 1..<head])))
  }

  /// The bytes behind the last frame, which are then no longer held.
  package mutating func takeRest() -> [UInt8] {
    defer { (buffer, head) = ([], 0) }
    return Array(buffer[head...])
  }
}
