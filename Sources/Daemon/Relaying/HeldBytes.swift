import Primitives

/// Bytes in order that wait to be sent, in few blocks: small ones are joined, so that a peer that sends bytes one by one
/// cannot make this node hold a block for each.
struct HeldBytes {
  /// Blocks up to this length are joined.
  private static let joinedBytes = 64 << 10
  /// A block of this length is expected to become full.
  private static let bulkBytes = 8 << 10

  private(set) var count = 0
  private var blocks = Queue<[UInt8]>()
  /// Bytes of the first block that were taken.
  private var offset = 0
  /// The last block, to which more may be added.
  private var tail: [UInt8] = []

  mutating func append(_ bytes: UnsafeRawBufferPointer) {
    guard !bytes.isEmpty else { return }
    count += bytes.count
    if tail.count + bytes.count > Self.joinedBytes { closeTail() }
    guard !tail.isEmpty else {
      tail = Array(bytes)
      return
    }
    // Bulk data fills the block: growing it step by step would copy it again and again.
    if tail.count > Self.bulkBytes { tail.reserveCapacity(Self.joinedBytes) }
    tail.append(contentsOf: bytes)
  }

  /// Removes and returns the first bytes, at most `limit`: the rest of one block.
  mutating func take(upTo limit: Int) -> [UInt8] {
    if blocks.isEmpty { closeTail() }
    guard let first = blocks.first else { return [] }
    let left = first.count - offset
    guard left > limit else {
      blocks.removeFirst(1)
      defer { offset = 0 }
      count -= left
      return offset == 0 ? first : Array(first[offset...])
    }
    defer { offset += limit }
    count -= limit
    return Array(first[offset..<offset + limit])
  }

  private mutating func closeTail() {
    guard !tail.isEmpty else { return }
    blocks.append(tail)
    tail = []
  }
}
