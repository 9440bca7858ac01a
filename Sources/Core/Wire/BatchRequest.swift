package import Primitives

/// Requests many small files on a batch stream, each as a whole. Each hash is answered in order by a `FetchReply` and,
/// unless it is a refusal, the bytes of the file. Several requests may be sent ahead.
package struct BatchRequest: Hashable, Sendable {
  static let frameType: UInt8 = 24
  /// Most files in one request: the frame stays below its limit.
  package static let maximumFiles = 1_024
  /// Bytes in the largest file that is sent in a batch; larger ones are fetched in pieces.
  package static let maximumSize: UInt64 = 1 << 20

  /// The asker's proof for the channel.
  package let channel: ChannelProof
  package let hashes: [ContentHash]

  package init(channel: ChannelProof, hashes: [ContentHash]) {
    self.channel = channel
    self.hashes = hashes
  }

  /// The request as a frame.
  package var encoded: [UInt8] {
    Frame.encode(Self.frameType) { writer in
      writer.fixed(channel)
      writer.list(hashes) { $0.fixed($1) }
    }
  }

  /// Decodes a frame of a batch stream.
  package static func decode(_ frame: Frame) throws(WireError) -> BatchRequest {
    guard frame.type == frameType else { throw .unknownType(frame.type) }
    var reader = ByteReader(frame.body)
    do throws(ByteReaderError) {
      let channel = try reader.fixed(ChannelProof.self)
      let hashes = try reader.list(limit: maximumFiles) { (reader) throws(ByteReaderError) in
        try reader.fixed(ContentHash.self)
      }
      return BatchRequest(channel: channel, hashes: hashes)
    } catch {
      throw .malformed(error)
    }
  }
}
