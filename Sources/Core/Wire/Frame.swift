package import Primitives

/// A message on the wire: a 32-bit length, a type, and the message's fields.
///
/// The length covers the type and the fields. Bytes after the last known field are ignored, so that later minor
/// versions may append fields.
package struct Frame: Hashable, Sendable {
  package let type: UInt8
  package let body: ArraySlice<UInt8>

  /// The bytes of a frame of this type, with the fields that `write` writes.
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

/// Splits a stream of bytes into frames.
package struct FrameDecoder: Sendable {
  /// Bytes before a frame's type.
  private static let lengthBytes = 4

  /// The longest frame accepted, in bytes. It may be raised once a peer has proved membership.
  package var limit: Int
  private var buffer: [UInt8] = []
  /// The start of the next frame.
  private var head = 0

  /// A decoder that rejects frames of more than `limit` bytes.
  package init(limit: Int) { self.limit = limit }

  /// Appends the next bytes of the stream.
  package mutating func append(_ bytes: some Sequence<UInt8>) {
    // Here, not at each frame: thousands of small frames may arrive together.
    buffer.removeFirst(head)
    head = 0
    buffer.append(contentsOf: bytes)
  }

  /// The next complete frame; nil until more bytes arrive.
  package mutating func next() throws(WireError) -> Frame? {
    guard buffer.count - head >= Self.lengthBytes else { return nil }
    let length = buffer[head..<head + Self.lengthBytes].reduce(0) { $0 << 8 | Int($1) }
    guard length <= limit else { throw .frameTooLong }
    guard length > 0 else { throw .malformed(.truncated) }
    let start = head + Self.lengthBytes
    guard buffer.count - start >= length else { return nil }
    head = start + length
    let frame = Frame(type: buffer[start], body: ArraySlice(Array(buffer[start + 1..<head])))
    // Most control streams are idle, and a node may have thousands.
    if head == buffer.count { (buffer, head) = ([], 0) }
    return frame
  }

  /// Removes and returns the bytes after the last frame.
  package mutating func takeRest() -> [UInt8] {
    defer { (buffer, head) = ([], 0) }
    return Array(buffer[head...])
  }
}
