package import Primitives

/// A node's signed statement that it serves a topic and at which addresses it can be reached, valid until it expires.
///
/// One record contains one topic, so that relaying it does not reveal the node's other channels.
package struct PresenceRecord: Hashable, Sendable {
  package let node: NodeID
  package let topic: Topic
  package let addresses: [Endpoint]
  /// When the node signed it; of two records of one node on one topic, the later one is valid.
  package let issued: WallTime
  package let expires: WallTime
  /// The node's Ed25519 signature over `signedBytes`.
  package var signature: [UInt8]

  package init(
    node: NodeID, topic: Topic, addresses: [Endpoint], issued: WallTime, expires: WallTime, signature: [UInt8] = []
  ) {
    self.node = node
    self.topic = topic
    self.addresses = addresses
    self.issued = issued
    self.expires = expires
    self.signature = signature
  }

  /// The signed bytes: every other field, after a text with which no other signature of this software begins.
  package var signedBytes: [UInt8] {
    var writer = ByteWriter()
    writer.text("kachery presence 1")
    writer.fields(of: self)
    return writer.bytes
  }
}

extension ByteWriter {
  fileprivate mutating func fields(of record: PresenceRecord) {
    fixed(record.node)
    fixed(record.topic)
    list(record.addresses) { $0.write($1) }
    integer(record.issued.milliseconds)
    integer(record.expires.milliseconds)
  }

  mutating func write(_ record: PresenceRecord) {
    fields(of: record)
    bytes(record.signature)
  }
}

extension ByteReader {
  mutating func presenceRecord() throws(ByteReaderError) -> PresenceRecord {
    PresenceRecord(
      node: try fixed(), topic: try fixed(),
      addresses: try list(limit: WireLimits.addresses) { (reader) throws(ByteReaderError) in try reader.endpoint() },
      issued: WallTime(milliseconds: try integer()), expires: WallTime(milliseconds: try integer()),
      signature: Array(try bytes(limit: WireLimits.signature)))
  }
}

extension ControlMessage {
  /// Splits the records into presence messages, none of them longer than a frame may be.
  package static func presence(batching records: [PresenceRecord]) -> [ControlMessage] {
    let room = WireLimits.frame - 16
    var batches: [[PresenceRecord]] = [[]]
    var used = 0
    for record in records {
      var writer = ByteWriter()
      writer.write(record)
      let isFull = used + writer.bytes.count > room || batches[batches.count - 1].count == WireLimits.records
      if isFull {
        batches.append([])
        used = 0
      }
      batches[batches.count - 1].append(record)
      used += writer.bytes.count
    }
    return batches.filter { !$0.isEmpty }.map { .presence($0) }
  }
}
