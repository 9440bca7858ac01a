package import Primitives

/// Asks for a range of a file on a fetch stream. Several may be sent ahead; they are answered in order.
package struct FetchRequest: Hashable, Sendable {
  static let frameType: UInt8 = 16

  package let topic: Topic
  package let hash: ContentHash
  /// The bytes wanted; not empty unless the file is.
  package let range: ByteRange

  package init(topic: Topic, hash: ContentHash, range: ByteRange) {
    self.topic = topic
    self.hash = hash
    self.range = range
  }

  /// The request as a frame.
  package var encoded: [UInt8] {
    Frame.encode(Self.frameType) { writer in
      writer.fixed(topic)
      writer.fixed(hash)
      writer.integer(range.start)
      writer.integer(range.end)
    }
  }

  /// The request in a frame of a fetch stream.
  package static func decode(_ frame: Frame) throws(WireError) -> FetchRequest {
    guard frame.type == frameType else { throw .unknownType(frame.type) }
    var reader = ByteReader(frame.body)
    do throws(ByteReaderError) {
      let topic = try reader.fixed(Topic.self)
      let hash = try reader.fixed(ContentHash.self)
      guard let range = ByteRange(start: try reader.integer(), end: try reader.integer()) else {
        throw .malformed
      }
      return FetchRequest(topic: topic, hash: hash, range: range)
    } catch {
      throw .malformed(error)
    }
  }
}

/// Answers a `FetchRequest`: a frame, behind which the bytes follow where the status is `ok`.
package struct FetchReply: Hashable, Sendable {
  /// What became of a request.
  package enum Status: UInt8, Sendable, CaseIterable {
    /// The bytes follow, `count` of them.
    case ok = 0
    /// The node does not have the file, or the asker may not know.
    case notFound = 1
    /// The range does not lie in the file.
    case outOfRange = 2
    /// The file is there and cannot be read.
    case unreadable = 3
    /// The node serves as much as it will; the asker may try again later.
    case busy = 4
    /// The file is there and too large for a batch; the asker may fetch it in pieces.
    case tooLarge = 5
  }

  static let frameType: UInt8 = 17
  /// Bytes in the longest reply's frame; fields of later versions fit.
  static let frameLimit = 256

  package let status: Status
  /// Bytes that follow; 0 unless the status is `ok`.
  package let count: UInt64

  package init(_ status: Status, count: UInt64 = 0) {
    self.status = status
    self.count = count
  }

  /// The reply as a frame, without the bytes that follow it.
  package var encoded: [UInt8] {
    Frame.encode(Self.frameType) { writer in
      writer.integer(status.rawValue)
      writer.integer(count)
    }
  }

  static func decode(_ frame: Frame) throws(WireError) -> FetchReply {
    guard frame.type == frameType else { throw .unknownType(frame.type) }
    var reader = ByteReader(frame.body)
    do throws(ByteReaderError) {
      guard let status = Status(rawValue: try reader.byte()) else { throw .malformed }
      let count = try reader.integer(UInt64.self)
      guard status == .ok || count == 0 else { throw .malformed }
      return FetchReply(status, count: count)
    } catch {
      throw .malformed(error)
    }
  }
}
