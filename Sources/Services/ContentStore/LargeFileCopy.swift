import Crypto
import Files
import Primitives
import Synchronization
import Threads

/// Copies a large file while another thread hashes the copy.
///
/// What is hashed is what was copied, so a source that changes meanwhile cannot end up under a wrong name.
struct LargeFileCopy: ~Copyable {
  /// Blocks that are being read or hashed at once.
  private static let ringSize = 8
  /// Bytes that the file system copies in one call.
  private static let copyStep: UInt64 = 4 << 20

  private let source: File
  private let destination: File
  private let blocks: UnsafeMutableRawBufferPointer
  private let hashing: HashingLane
  private var blocksRead = 0
  /// Whether the file system copies; where it cannot, the bytes pass through the blocks.
  private var copiesInside = true
  private var copied: UInt64 = 0

  init(of source: File, to destination: File) throws(KacheryError) {
    self.source = source
    self.destination = destination
    hashing = try HashingLane(depth: Self.ringSize - 1)
    blocks = .allocate(byteCount: Self.ringSize * Limits.blockSize, alignment: 4096)
  }

  deinit {
    // The thread may still read where a failure ended the copy.
    hashing.wait()
    blocks.deallocate()
  }

  /// Copies until the source ends, or is longer than `size`.
  ///
  /// - Returns: the digester of exactly the bytes that were copied.
  mutating func run(
    expecting size: UInt64, afterBlock: (_ bytesRead: UInt64) throws(KacheryError) -> Void
  ) throws(KacheryError) -> ContentDigester {
    var offset: UInt64 = 0
    while offset <= size {
      let block = nextBlock()
      let count = try fill(block, at: offset)
      guard count > 0 else { break }
      let filled = UnsafeRawBufferPointer(rebasing: block[..<count])
      hashing.add(filled)
      Writeback.start(of: destination, from: offset, to: offset + UInt64(count))
      offset += UInt64(count)
      try afterBlock(offset)
    }
    return hashing.wait()
  }

  /// A block that is hashed already: the lane takes a new one only once it has few enough left.
  private mutating func nextBlock() -> UnsafeMutableRawBufferPointer {
    let start = blocksRead % Self.ringSize * Limits.blockSize
    blocksRead += 1
    return UnsafeMutableRawBufferPointer(rebasing: blocks[start..<start + Limits.blockSize])
  }

  /// Brings the next bytes to the destination and into the block.
  private mutating func fill(_ block: UnsafeMutableRawBufferPointer, at offset: UInt64) throws(KacheryError) -> Int {
    if copiesInside, offset == copied, let step = ByteRange(start: offset, end: offset + Self.copyStep) {
      let count = destination.copy(step, of: source)
      copied += count ?? 0
      copiesInside = count != nil
    }
    if offset < copied {
      let wanted = Int(min(UInt64(block.count), copied - offset))
      return try destination.read(at: offset, into: UnsafeMutableRawBufferPointer(rebasing: block[..<wanted]))
    }
    let count = try source.read(at: offset, into: block)
    try destination.write(at: offset, UnsafeRawBufferPointer(rebasing: block[..<count]))
    return count
  }
}

/// A thread that hashes bytes as they are handed over.
private final class HashingLane: Sendable {
  private let lane: WorkerThread
  private let digester = Mutex(ContentDigester())

  init(depth: Int) throws(KacheryError) { lane = try WorkerThread(depth: depth) }

  /// Hashes bytes that stay as they are until the lane is done with them.
  func add(_ bytes: UnsafeRawBufferPointer) {
    // Nobody writes to them until then.
    nonisolated(unsafe) let bytes = bytes
    lane.add { self.digester.withLock { $0.update(bytes) } }
  }

  /// Everything that was handed over, hashed.
  @discardableResult
  func wait() -> ContentDigester {
    lane.waitUntilDone()
    return digester.withLock { $0 }
  }
}
