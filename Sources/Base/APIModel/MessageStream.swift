package import Primitives

/// Frames of a message stream: `<decimal byte length>#<JSON>`, with the length in bytes of UTF-8.
package enum MessageStream {
  /// Bytes in the largest accepted message.
  package static let maximumMessage = 64 << 20

  /// The frame of this message.
  package static func frame(_ message: JSONValue) -> [UInt8] {
    let json = message.compactBytes
    return Array("\(json.count)#".utf8) + json
  }
}

/// Splits a message stream into its messages.
package struct MessageStreamDecoder: Sendable {
  private static let maximumDigits = 9
  private var buffer: [UInt8] = []

  package init() {}

  /// Whether the stream may end here, between two messages.
  package var isBetweenMessages: Bool { buffer.isEmpty }

  /// Decodes the next bytes of the stream; returns the messages that are complete.
  ///
  /// - Throws: `protocolViolation` if they are not a message stream.
  package mutating func receive(_ bytes: some Sequence<UInt8>) throws(KacheryError) -> [JSONValue] {
    buffer.append(contentsOf: bytes)
    var messages: [JSONValue] = []
    var start = 0
    while let mark = buffer[start...].prefix(Self.maximumDigits + 1).firstIndex(of: UInt8(ascii: "#")) {
      guard let count = Int(String(decoding: buffer[start..<mark], as: UTF8.self)), count >= 0,
        count <= MessageStream.maximumMessage
      else { throw broken }
      guard buffer.count - mark - 1 >= count else { break }
      let end = mark + 1 + count
      do { messages.append(try JSONParser.parse(buffer[mark + 1..<end])) } catch { throw broken }
      start = end
    }
    buffer.removeFirst(start)
    let head = buffer.prefix(Self.maximumDigits + 1)
    let isDigits = head.prefix { $0 != UInt8(ascii: "#") }.allSatisfy { (0x30...0x39).contains($0) }
    guard isDigits, head.count <= Self.maximumDigits || head.contains(UInt8(ascii: "#")) else { throw broken }
    return messages
  }

  private var broken: KacheryError {
    KacheryError(.protocolViolation, "The daemon's answer is not a stream of messages.")
  }
}
