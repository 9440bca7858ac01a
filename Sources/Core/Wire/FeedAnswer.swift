package import Crypto
package import Primitives

/// A message on a feed stream that the other node has opened; each names the request that it answers.
package enum FeedAnswer: Hashable, Sendable {
  /// Bytes in the largest answer: one message of the greatest length, or several smaller ones.
  package static let frameLimit = SignedMessage.maximumBytes + 64 << 10
  /// Most messages in one answer.
  package static let maximumMessages = 4_096

  /// The node writes the feed, as the proof shows, or has messages of it, or neither.
  case known(id: UInt32, isHeld: Bool, proof: Signature?)
  /// Signed messages of a subscription, the first of them with number `position`, and the writer's statement with which
  /// message the subfeed begins.
  case messages(id: UInt32, position: UInt64, SubfeedStatement, [[UInt8]])
  /// All available messages were sent; there are `count` of them.
  case caughtUp(id: UInt32, count: UInt64)
  /// The request is not permitted, or no longer.
  case refused(id: UInt32, Refusal)
  /// The submitted message was appended and is on the disk.
  case submitted(id: UInt32)
  /// The submitted message was not appended, with a reason for people.
  case rejected(id: UInt32, reason: String)
}

extension FeedAnswer {
  private enum FrameType {
    static let known: UInt8 = 40
    static let messages: UInt8 = 41
    static let caughtUp: UInt8 = 42
    static let refused: UInt8 = 43
    static let submitted: UInt8 = 44
    static let rejected: UInt8 = 45
  }

  /// The answer as a frame.
  package var encoded: [UInt8] {
    switch self {
    case .known(let id, let isHeld, let proof):
      Frame.encode(FrameType.known) { writer in
        writer.integer(id)
        writer.flag(isHeld)
        writer.optional(proof) { $0.fixed($1) }
      }
    case .messages(let id, let position, let statement, let messages):
      Frame.encode(FrameType.messages) { writer in
        writer.integer(id)
        writer.integer(position)
        writer.fixed(statement.signature)
        writer.list(messages) { writer, message in
          // A message may be longer than 16 bits can express.
          writer.integer(UInt32(message.count))
          writer.raw(message)
        }
      }
    case .caughtUp(let id, let count):
      Frame.encode(FrameType.caughtUp) { writer in
        writer.integer(id)
        writer.integer(count)
      }
    case .refused(let id, let refusal):
      Frame.encode(FrameType.refused) { writer in
        writer.integer(id)
        writer.integer(refusal.rawValue)
      }
    case .submitted(let id): Frame.encode(FrameType.submitted) { $0.integer(id) }
    case .rejected(let id, let reason):
      Frame.encode(FrameType.rejected) { writer in
        writer.integer(id)
        // If a character is cut in two, three bytes replace the rest of it.
        writer.text(String(decoding: reason.utf8.prefix(WireLimits.reason - 3), as: UTF8.self))
      }
    }
  }

  /// Decodes a frame; nil if its type is of a later minor version and may be ignored.
  package static func decode(_ frame: Frame) throws(WireError) -> FeedAnswer? {
    var reader = ByteReader(frame.body)
    do throws(ByteReaderError) {
      switch frame.type {
      case FrameType.known:
        return .known(
          id: try reader.integer(), isHeld: try reader.flag(),
          proof: try reader.optional { (reader) throws(ByteReaderError) in try reader.fixed() })
      case FrameType.messages:
        return .messages(
          id: try reader.integer(), position: try reader.integer(), SubfeedStatement(try reader.fixed()),
          try reader.messages())
      case FrameType.caughtUp: return .caughtUp(id: try reader.integer(), count: try reader.integer())
      case FrameType.refused: return .refused(id: try reader.integer(), try reader.refusal())
      case FrameType.submitted: return .submitted(id: try reader.integer())
      case FrameType.rejected:
        return .rejected(id: try reader.integer(), reason: try reader.text(limit: WireLimits.reason))
      default: return nil
      }
    } catch {
      throw .malformed(error)
    }
  }
}

extension FeedAnswer {
  /// Bytes of memory that messages take; an empty one takes some as well.
  package static func memory(of messages: [[UInt8]]) -> Int { messages.reduce(0) { $0 + $1.count + 64 } }
}

extension FeedAnswer {
  /// Signed with the feed's key to show, on one link only, that the answering node writes the feed.
  package static func writerStatement(_ feed: FeedID, binding: [UInt8]) -> [UInt8] {
    Array("kachery feed writer\0".utf8) + feed.bytes + binding
  }
}

extension ByteReader {
  fileprivate mutating func messages() throws(ByteReaderError) -> [[UInt8]] {
    try list(limit: FeedAnswer.maximumMessages) { (reader) throws(ByteReaderError) in
      let count = Int(try reader.integer(UInt32.self))
      guard count <= SignedMessage.maximumBytes else { throw .tooLong }
      return Array(try reader.take(count))
    }
  }
}
