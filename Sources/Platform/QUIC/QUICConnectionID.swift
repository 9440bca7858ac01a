internal import CNgtcp2

/// A connection ID that this side has chosen: 16 random bytes, the first of which is not that of a message with magic
/// bytes.
package struct QUICConnectionID: Hashable, Sendable {
  /// Bytes of an ID.
  package static let byteCount = Int(CNGTCP2_ID)

  private let high: UInt64
  private let low: UInt64

  /// The ID; nil unless there are exactly `byteCount` bytes.
  package init?(bytes: UnsafeRawBufferPointer) {
    guard bytes.count == Self.byteCount else { return nil }
    high = bytes.loadUnaligned(as: UInt64.self)
    low = bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self)
  }

  init(_ start: UnsafePointer<UInt8>) {
    let raw = UnsafeRawPointer(start)
    high = raw.loadUnaligned(as: UInt64.self)
    low = raw.loadUnaligned(fromByteOffset: 8, as: UInt64.self)
  }
}

/// Reads what is not encrypted in a packet. Packets come from anywhere: nothing in them is proved.
package enum QUICPacket {
  /// The ID of the connection to which a packet belongs; nil if it is not a packet of QUIC.
  package static func destination(of packet: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer? {
    guard let start = packet.bindMemory(to: UInt8.self).baseAddress else { return nil }
    var id: UnsafePointer<UInt8>?
    let count = CNgtcp2_destination(start, packet.count, &id)
    return count == 0 ? nil : UnsafeRawBufferPointer(start: id, count: count)
  }

  /// Whether a client can begin with this packet.
  package static func isFirst(_ packet: UnsafeRawBufferPointer) -> Bool {
    guard let start = packet.bindMemory(to: UInt8.self).baseAddress else { return false }
    return CNgtcp2_is_first(start, packet.count) != 0
  }
}
