import EventLoop
import Primitives

/// A block of file bytes on its way from the network to the disk.
///
/// Filled on the loop; then read by the pool until the loop has heard that all of that is done.
// The loop writes only before it hands the block to the pool and after the pool has given it back; between, all read.
final class WriteBuffer: @unchecked Sendable {
  /// The capacity in bytes. Each block costs a round trip to the pool, so fewer are better while bytes arrive quickly.
  static let capacity = 4 * Limits.blockSize

  private let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: capacity, alignment: 64)
  private(set) var count = 0

  deinit { memory.deallocate() }

  var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: memory[..<count]) }

  /// Takes as many of the bytes as have room below `limit`; says how many.
  func fill(_ source: Slice<UnsafeRawBufferPointer>, upTo limit: Int) -> Int {
    let taken = min(source.count, min(limit, memory.count) - count)
    guard taken > 0 else { return 0 }
    UnsafeMutableRawBufferPointer(rebasing: memory[count...])
      .copyMemory(from: UnsafeRawBufferPointer(rebasing: source.prefix(taken)))
    count += taken
    return taken
  }

  func clear() { count = 0 }
}

/// Blocks that are used again and again: fresh memory costs more than what is written to it. Bound to the loop.
struct WriteBufferPool {
  private var free: [WriteBuffer] = []

  mutating func take() -> WriteBuffer { free.popLast() ?? WriteBuffer() }

  mutating func giveBack(_ block: WriteBuffer) {
    block.clear()
    free.append(block)
  }
}
