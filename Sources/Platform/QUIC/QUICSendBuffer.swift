/// The bytes of a stream that were written and not acknowledged yet. They stay in one place, because they may have to be
/// sent again.
package struct QUICSendBuffer {
  /// Bytes that were not sent yet.
  package private(set) var unsentBytes = 0
  /// Bytes that were sent and not acknowledged.
  package private(set) var unacknowledgedBytes = 0

  private final class Block {
    let bytes: UnsafeMutableRawBufferPointer

    init(_ bytes: [UInt8]) {
      self.bytes = .allocate(byteCount: bytes.count, alignment: 1)
      self.bytes.copyBytes(from: bytes)
    }

    deinit { bytes.deallocate() }
  }

  /// Blocks with unacknowledged or unsent bytes.
  private var blocks: [Block] = []
  /// The bytes acknowledged in the first block.
  private var acknowledgedInFirst = 0
  /// The first block with unsent bytes, and those sent of it.
  private var next = (block: 0, offset: 0)
  /// Blocks before this one are empty.
  private var head = 0

  /// A buffer without bytes.
  package init() {}

  /// Adds bytes at the end.
  package mutating func append(_ bytes: [UInt8]) {
    guard !bytes.isEmpty else { return }
    blocks.append(Block(bytes))
    unsentBytes += bytes.count
  }

  /// The next bytes to send, all from one block; empty if there are none. Valid until they are acknowledged.
  package var unsent: UnsafeRawBufferPointer {
    guard next.block < blocks.count else { return UnsafeRawBufferPointer(start: nil, count: 0) }
    return UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(blocks[next.block].bytes)[next.offset...])
  }

  /// The first bytes of `unsent` were sent.
  package mutating func sent(_ count: Int) {
    guard count > 0 else { return }
    unsentBytes -= count
    unacknowledgedBytes += count
    next.offset += count
    if next.offset == blocks[next.block].bytes.count { next = (next.block + 1, 0) }
  }

  /// The other end has the oldest of the unacknowledged bytes.
  package mutating func acknowledged(_ count: Int) {
    unacknowledgedBytes -= count
    acknowledgedInFirst += count
    while head < next.block, acknowledgedInFirst >= blocks[head].bytes.count {
      acknowledgedInFirst -= blocks[head].bytes.count
      head += 1
    }
    // No more blocks are moved than were removed.
    guard head > 0, head * 2 >= blocks.count else { return }
    blocks.removeFirst(head)
    next.block -= head
    head = 0
  }
}
