/// A set of chunks of a file, as a bit field: one bit per chunk in file order, the first in the highest bit of the
/// first byte, and no bit set after the last chunk.
package struct ChunkSet: Hashable, Sendable {
  /// Bytes in the largest set that a peer may send: enough for the chunks of 5 TB. A larger file is shared only once it
  /// is whole.
  package static let maximumBytes = 32 << 10

  /// The bits, eight per byte.
  package private(set) var bytes: [UInt8]

  /// The empty set for a file with `count` chunks.
  package init(of count: Int) { bytes = [UInt8](repeating: 0, count: (count + 7) / 8) }

  /// The set that untrusted bits describe; use `fits` to check it against a file.
  package init(bytes: some Sequence<UInt8>) { self.bytes = Array(bytes) }

  /// Whether this can be a set of chunks of a file that has `count` chunks.
  package func fits(_ count: Int) -> Bool {
    guard bytes.count == (count + 7) / 8 else { return false }
    let used = count % 8
    return used == 0 || (bytes.last ?? 0) << used == 0
  }

  /// Whether the chunk at this index is in the set; false beyond the end.
  package func contains(_ place: Int) -> Bool {
    place >= 0 && place / 8 < bytes.count && bytes[place / 8] & Self.bit(place) != 0
  }

  /// Adds the chunk at this index, which must be one of the file's.
  package mutating func insert(_ place: Int) { bytes[place / 8] |= Self.bit(place) }

  /// The number of chunks in the set.
  package var count: Int { bytes.reduce(0) { $0 + $1.nonzeroBitCount } }

  private static func bit(_ place: Int) -> UInt8 { 0x80 >> (place % 8) }
}
