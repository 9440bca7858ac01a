package import Primitives

/// A request to another node on its feed stream. The other node answers on the same stream, see `FeedAnswer`.
package enum FeedRequest: Hashable, Sendable {
  /// Bytes in the largest request: a submitted message has at most 10,000 characters.
  package static let frameLimit = 64 << 10
  /// Bytes in the longest submitted message: 10,000 characters, each at most six bytes long as JSON escapes them.
  package static let longestMessage = 60_000

  /// Does the node write the feed, or have messages of it? Answered by `known`.
  case query(id: UInt32, ChannelProof, FeedID)
  /// Send the messages of a subfeed from this one on, those available now and later ones.
  case subscribe(id: UInt32, ChannelProof, SubfeedKey, position: UInt64)
  /// Send no more for this subscription.
  case unsubscribe(id: UInt32)
  /// Append this JSON object to a subfeed that the node writes. Answered by `submitted` or `rejected`.
  case submit(id: UInt32, ChannelProof, SubfeedKey, message: [UInt8])
}

extension FeedRequest {
  /// The asker's proof for the channel of the request; nil if none is needed.
  package var channel: ChannelProof? {
    switch self {
    case .query(_, let channel, _), .subscribe(_, let channel, _, _), .submit(_, let channel, _, _): channel
    case .unsubscribe: nil
    }
  }

  private enum FrameType {
    static let query: UInt8 = 32
    static let subscribe: UInt8 = 33
    static let unsubscribe: UInt8 = 34
    static let submit: UInt8 = 35
  }

  /// The request as a frame.
  package var encoded: [UInt8] {
    switch self {
    case .query(let id, let channel, let feed):
      Frame.encode(FrameType.query) { writer in
        writer.integer(id)
        writer.fixed(channel)
        writer.fixed(feed)
      }
    case .subscribe(let id, let channel, let key, let position):
      Frame.encode(FrameType.subscribe) { writer in
        writer.integer(id)
        writer.fixed(channel)
        writer.write(key)
        writer.integer(position)
      }
    case .unsubscribe(let id): Frame.encode(FrameType.unsubscribe) { $0.integer(id) }
    case .submit(let id, let channel, let key, let message):
      Frame.encode(FrameType.submit) { writer in
        writer.integer(id)
        writer.fixed(channel)
        writer.write(key)
        writer.bytes(message)
      }
    }
  }

  /// Decodes a frame; nil if its type is of a later minor version and may be ignored.
  package static func decode(_ frame: Frame) throws(WireError) -> FeedRequest? {
    var reader = ByteReader(frame.body)
    do throws(ByteReaderError) {
      switch frame.type {
      case FrameType.query: return .query(id: try reader.integer(), try reader.fixed(), try reader.fixed())
      case FrameType.subscribe:
        return .subscribe(
          id: try reader.integer(), try reader.fixed(), try reader.subfeedKey(), position: try reader.integer())
      case FrameType.unsubscribe: return .unsubscribe(id: try reader.integer())
      case FrameType.submit:
        return .submit(
          id: try reader.integer(), try reader.fixed(), try reader.subfeedKey(),
          message: Array(try reader.bytes(limit: longestMessage)))
      default: return nil
      }
    } catch {
      throw .malformed(error)
    }
  }
}

extension ByteWriter {
  fileprivate mutating func write(_ key: SubfeedKey) {
    fixed(key.feed)
    fixed(key.subfeed)
  }
}

extension ByteReader {
  fileprivate mutating func subfeedKey() throws(ByteReaderError) -> SubfeedKey {
    SubfeedKey(try fixed(), try fixed())
  }
}
