import Primitives

/// A datagram by which nodes of a channel find each other in a local network.
///
/// It contains no node ID, label or topic: who does not know the channel learns that a node runs here, and roughly how
/// many channels it has.
package enum LocalDatagram: Hashable, Sendable {
  /// Sent to the group: "a node with these channels listens on this port".
  case announcement(LocalAnnouncement)
  /// Sent to the node that announced itself: "I have one of your channels, and listen on this port".
  case answer(LocalAnswer)

  /// The first bytes. No TLS record begins with them.
  static let magic: [UInt8] = [0x0b, 0x6b, 0x61, 0x63]
  /// Random bytes in each datagram: enough that no two are equal by chance.
  static let randomByteCount = 16
  /// Bytes before the tags: the magic, the type, the random bytes and the port.
  static let headerByteCount = 4 + 1 + randomByteCount + 2
  /// The length of an encoded answer.
  static let answerByteCount = headerByteCount + 8

  private static let announcementType: UInt8 = 7
  private static let answerType: UInt8 = 8

  /// The datagram in the form in which it is sent.
  package var encoded: [UInt8] {
    var writer = ByteWriter()
    writer.raw(Self.magic)
    switch self {
    case .announcement(let announcement):
      writer.integer(Self.announcementType)
      writer.raw(announcement.random)
      writer.integer(announcement.port)
      for tag in announcement.tags { writer.integer(tag) }
    case .answer(let answer):
      writer.integer(Self.answerType)
      writer.raw(answer.random)
      writer.integer(answer.port)
      writer.integer(answer.tag)
    }
    return writer.bytes
  }

  /// Reads a datagram; nil if it is neither an announcement nor an answer, in its exact length.
  package static func decode(_ bytes: [UInt8]) -> LocalDatagram? {
    guard bytes.starts(with: magic) else { return nil }
    return try? read(ByteReader(bytes[magic.count...]))
  }

  private static func read(_ reader: ByteReader) throws(ByteReaderError) -> LocalDatagram {
    var reader = reader
    let type = try reader.byte()
    let random = Array(try reader.take(randomByteCount))
    let port: UInt16 = try reader.integer()
    guard port != 0, reader.remaining % 8 == 0 else { throw .malformed }
    let count = reader.remaining / 8
    switch type {
    case announcementType:
      guard (1...LocalAnnouncement.maximumTags).contains(count), count % LocalAnnouncement.tagStep == 0 else {
        throw .malformed
      }
      var tags: [UInt64] = []
      for _ in 0..<count { tags.append(try reader.integer()) }
      return .announcement(LocalAnnouncement(random: random, port: port, tags: tags))
    case answerType:
      guard count == 1 else { throw .malformed }
      return .answer(LocalAnswer(random: random, port: port, tag: try reader.integer()))
    default: throw .malformed
    }
  }
}

/// What a node announces to all nodes of a local network.
package struct LocalAnnouncement: Hashable, Sendable {
  /// The number of tags is a multiple of this, so that the number of channels shows only roughly.
  static let tagStep = 4
  /// Most tags in one datagram: with the headers of IPv6 and UDP it fits into 1,280 bytes, which every network that
  /// carries IPv6 passes on in one piece (RFC 8200, section 5).
  static let maximumTags = 148

  package let random: [UInt8]
  /// The TCP port for links.
  package let port: UInt16
  /// One for each channel, between random ones, in ascending order.
  package let tags: [UInt64]
}

/// What a node answers to another one that has announced itself.
package struct LocalAnswer: Hashable, Sendable {
  package let random: [UInt8]
  /// The TCP port for links.
  package let port: UInt16
  /// Of one common channel, over the announcement's random bytes and then the answer's own.
  package let tag: UInt64
}
