package import Primitives

/// A node's signed statement that it serves a topic and how it can be reached, valid until it expires.
///
/// One record contains one topic, so that relaying it does not reveal the node's other channels. The signature covers
/// bytes, which are kept and passed on as they arrived: they may hold fields that this version does not know.
package struct PresenceRecord: Hashable, Sendable {
  package let node: NodeID
  package let topic: Topic
  /// The addresses whose transports this version knows, most likely first.
  package let addresses: [Address]
  /// The nodes that relay to it.
  package let relays: [NodeID]
  /// What the node can do, one bit each; unknown bits are ignored.
  package let capabilities: UInt64
  /// When the node signed it; of two records of one node on one topic, the later one is valid.
  package let issued: WallTime
  package let expires: WallTime
  /// What the node signed, apart from the text that precedes it.
  package let body: [UInt8]
  /// The node's Ed25519 signature over `signedBytes`.
  package var signature: [UInt8]

  /// A record of this node, without its signature. Addresses for which there is no room are left out, last first.
  package init(
    node: NodeID, topic: Topic, addresses: [Address], relays: [NodeID] = [], capabilities: UInt64 = 0,
    issued: WallTime, expires: WallTime
  ) {
    var writer = ByteWriter()
    writer.integer(Self.version)
    writer.fixed(node)
    writer.fixed(topic)
    writer.integer(issued.milliseconds)
    writer.integer(expires.milliseconds)
    if capabilities != 0 { writer.field(.capabilities) { $0.integer(capabilities) } }
    let relays = Array(relays.prefix(WireLimits.relays))
    for relay in relays { writer.field(.relay) { $0.fixed(relay) } }
    var written: [Address] = []
    for address in addresses.prefix(WireLimits.addresses) {
      var longer = writer
      longer.field(.address) { $0.raw(address.encoded) }
      guard longer.bytes.count <= WireLimits.presenceBody else { break }
      writer = longer
      written.append(address)
    }
    self.node = node
    self.topic = topic
    self.addresses = written
    self.relays = relays
    self.capabilities = capabilities
    self.issued = issued
    self.expires = expires
    body = writer.bytes
    signature = [UInt8](repeating: 0, count: WireLimits.signature)
  }

  /// Reads what a node has signed.
  package init(body: [UInt8], signature: [UInt8]) throws(ByteReaderError) {
    var reader = ByteReader(body)
    guard try reader.byte() >= Self.version else { throw .malformed }
    node = try reader.fixed()
    topic = try reader.fixed()
    issued = WallTime(milliseconds: try reader.integer())
    expires = WallTime(milliseconds: try reader.integer())
    var fields = Fields()
    while reader.remaining > 0 { try fields.read(&reader) }
    addresses = fields.addresses
    relays = fields.relays
    capabilities = fields.capabilities
    self.body = body
    self.signature = signature
  }

  /// The signed bytes: the body, after a text with which no other signature of this software begins.
  package var signedBytes: [UInt8] {
    var writer = ByteWriter()
    writer.text("kachery presence 2")
    writer.raw(body)
    return writer.bytes
  }

  /// The version of the body. Later ones only add fields.
  private static let version: UInt8 = 1
}

/// The kinds of fields that this version knows.
private enum FieldKind: UInt8 {
  case address = 1
  case relay = 2
  case capabilities = 3
}

/// The fields of a record, as they are read.
private struct Fields {
  var addresses: [Address] = []
  var relays: [NodeID] = []
  var capabilities: UInt64 = 0
  /// Addresses, including those of unknown transports.
  private var addressCount = 0

  mutating func read(_ reader: inout ByteReader) throws(ByteReaderError) {
    let kind = FieldKind(rawValue: try reader.byte())
    let bytes = Array(try reader.bytes(limit: WireLimits.presenceBody))
    var content = ByteReader(bytes)
    switch kind {
    case .address:
      addressCount += 1
      guard addressCount <= WireLimits.addresses else { throw .tooLong }
      if let address = try Address.decode(bytes) { addresses.append(address) }
    case .relay:
      guard relays.count < WireLimits.relays else { throw .tooLong }
      relays.append(try content.fixed())
    case .capabilities: capabilities = try content.integer()
    case nil: break
    }
  }
}

extension ByteWriter {
  fileprivate mutating func field(_ kind: FieldKind, _ write: (inout ByteWriter) -> Void) {
    var content = ByteWriter()
    write(&content)
    integer(kind.rawValue)
    bytes(content.bytes)
  }

  mutating func write(_ record: PresenceRecord) {
    bytes(record.body)
    raw(record.signature)
  }
}

extension ByteReader {
  mutating func presenceRecord() throws(ByteReaderError) -> PresenceRecord {
    let body = Array(try bytes(limit: WireLimits.presenceBody))
    return try PresenceRecord(body: body, signature: Array(try take(WireLimits.signature)))
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
