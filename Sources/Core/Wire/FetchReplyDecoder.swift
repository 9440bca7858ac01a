/// Decodes the replies on a fetch stream, each followed by its bytes, which are passed on in the slices in which they
/// arrive, without a copy.
package struct FetchReplyDecoder: Sendable {
  /// A decoded part of the stream.
  package enum Event {
    case reply(FetchReply)
    /// The next bytes of the last reply. The pointer is valid only during the call.
    case bytes(UnsafeRawBufferPointer)
    /// The last reply's bytes are complete.
    case end
  }

  private static let lengthBytes = 4
  private var head: [UInt8] = []
  private var remaining: UInt64 = 0

  package init() {}

  /// Whether the stream may end here, between two replies.
  package var isBetweenReplies: Bool { head.isEmpty && remaining == 0 }

  /// Decodes the next bytes of the stream and passes on the events.
  package mutating func receive(
    _ bytes: UnsafeRawBufferPointer, _ deliver: (Event) -> Void
  ) throws(WireError) {
    var rest = bytes[...]
    while !rest.isEmpty {
      if remaining > 0 {
        let count = Int(min(remaining, UInt64(rest.count)))
        deliver(.bytes(UnsafeRawBufferPointer(rebasing: rest.prefix(count))))
        rest = rest.dropFirst(count)
        remaining -= UInt64(count)
        if remaining == 0 { deliver(.end) }
      } else {
        let count = min(try missingHead(), rest.count)
        head.append(contentsOf: rest.prefix(count))
        rest = rest.dropFirst(count)
        guard try missingHead() == 0 else { continue }
        try finishHead(deliver)
      }
    }
  }

  /// How many bytes of the reply's frame are missing.
  private func missingHead() throws(WireError) -> Int {
    guard head.count >= Self.lengthBytes else { return Self.lengthBytes - head.count }
    let length = head[..<Self.lengthBytes].reduce(0) { $0 << 8 | Int($1) }
    guard length > 0 else { throw .malformed(.truncated) }
    guard length <= FetchReply.frameLimit else { throw .frameTooLong }
    return Self.lengthBytes + length - head.count
  }

  private mutating func finishHead(_ deliver: (Event) -> Void) throws(WireError) {
    let frame = Frame(type: head[Self.lengthBytes], body: head[(Self.lengthBytes + 1)...])
    let reply = try FetchReply.decode(frame)
    head.removeAll(keepingCapacity: true)
    remaining = reply.count
    deliver(.reply(reply))
    if reply.refusal == nil, remaining == 0 { deliver(.end) }
  }
}
