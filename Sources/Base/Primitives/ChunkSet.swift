/// Which chunks of a file are meant: a bit for each in the order of the file, the first in the highest bit of the first
/// byte, and no bit set behind the last chunk.
package struct ChunkSet: Hashable, Sendable {
  /// Bytes in the largest set that a peer may send: enough for the chunks of 5 TB. What is larger is given only once it is
  /// whole.
  package static let maximumBytes = 32 << 10

  /// The bits, eight to a byte.
  package private(set) var bytes: [UInt8]

  /// No chunk of so many.
  package init(of count: Int) { bytes = [UInt8](repeating: 0, count: (count + 7) / 8) }

  /// The set that these bits name, from wherever they come: `fits` tells whether it can be one of a certain file.
  package init(bytes: some Sequence<UInt8>) { self.bytes = Array(bytes) }

  /// Whether it can be a set of the chunks of a file that has so many.
  package func fits(_ count: Int) -> Bool {
    guard bytes.count == (count + 7) / 8 else { return false }
    let used = count % 8
    return used == 0 || (bytes.last ?? 0) << used == 0
  }

  /// Whether the chunk at this place is one of them; none is behind the end.
  package func contains(_ place: Int) -> Bool {
    place >= 0 && place / 8 < bytes.count && bytes[place / 8] & Self.bit(place) != 0
  }

  /// Adds the chunk at this place, which must be one of the file's.
  package mutating func insert(_ place: Int) { bytes[place / 8] |= Self.bit(place) }

  /// How many there are.
  package var count: Int { bytes.reduce(0) { $0 + $1.nonzeroBitCount } }

  private static func bit(_ place: Int) -> UInt8 { 0x80 >> (place % 8) }
}
