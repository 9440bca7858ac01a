package import Primitives

/// Requests a range of a file on a fetch stream. Several may be sent ahead; they are answered in order.
package struct FetchRequest: Hashable, Sendable {
  static let frameType: UInt8 = 16

  /// The asker's proof for the channel.
  package let channel: ChannelProof
  package let hash: ContentHash
  /// The requested bytes; empty only if the file is.
  package let range: ByteRange

  package init(channel: ChannelProof, hash: ContentHash, range: ByteRange) {
    self.channel = channel
    self.hash = hash
    self.range = range
  }

  /// The request as a frame.
  package var encoded: [UInt8] {
    Frame.encode(Self.frameType) { writer in
      writer.fixed(channel)
      writer.fixed(hash)
      writer.integer(range.start)
      writer.integer(range.end)
    }
  }

  /// Decodes a frame of a fetch stream.
  package static func decode(_ frame: Frame) throws(WireError) -> FetchRequest {
    guard frame.type == frameType else { throw .unknownType(frame.type) }
    var reader = ByteReader(frame.body)
    do throws(ByteReaderError) {
      let channel = try reader.fixed(ChannelProof.self)
      let hash = try reader.fixed(ContentHash.self)
      guard let range = ByteRange(start: try reader.integer(), end: try reader.integer()),
        range.end <= Limits.maximumFileSize
      else { throw .malformed }
      return FetchRequest(channel: channel, hash: hash, range: range)
    } catch {
      throw .malformed(error)
    }
  }
}

/// Answers a `FetchRequest`: a frame, followed by the bytes unless the request is refused.
package struct FetchReply: Hashable, Sendable {
  static let frameType: UInt8 = 17
  /// Bytes in the longest reply's frame, with room for fields of later versions.
  static let frameLimit = 256
  /// The code that replaces a refusal if there is none.
  private static let granted: UInt8 = 0

  /// Why no bytes follow; nil if they do.
  package let refusal: Refusal?
  /// Bytes that follow.
  package let count: UInt64

  /// Grants the request: `count` bytes follow.
  package init(count: UInt64) {
    refusal = nil
    self.count = count
  }

  /// Refuses the request.
  package init(_ refusal: Refusal) {
    self.refusal = refusal
    count = 0
  }

  /// The reply as a frame, without the bytes that follow it.
  package var encoded: [UInt8] {
    Frame.encode(Self.frameType) { writer in
      writer.integer(refusal?.rawValue ?? Self.granted)
      writer.integer(count)
    }
  }

  static func decode(_ frame: Frame) throws(WireError) -> FetchReply {
    guard frame.type == frameType else { throw .unknownType(frame.type) }
    guard let first = frame.body.first else { throw .malformed(.truncated) }
    do throws(ByteReaderError) {
      guard first != granted else {
        var reader = ByteReader(frame.body.dropFirst())
        return FetchReply(count: try reader.integer(UInt64.self))
      }
      var reader = ByteReader(frame.body)
      let refusal = try reader.refusal()
      guard try reader.integer(UInt64.self) == 0 else { throw .malformed }
      return FetchReply(refusal)
    } catch {
      throw .malformed(error)
    }
  }
}
