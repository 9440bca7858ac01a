import Crypto
import Files
import Primitives
import Synchronization
import Threads

/// Copies a large file while another thread hashes the copy.
///
/// The hash is computed from the copy, so a source that changes meanwhile cannot be stored under a wrong name.
struct LargeFileCopy: ~Copyable {
  /// Blocks being read or hashed at the same time.
  private static let ringSize = 8
  /// Bytes that the file system copies per call.
  private static let copyStep: UInt64 = 4 << 20

  private let source: File
  private let destination: File
  private let blocks: UnsafeMutableRawBufferPointer
  private let hashing: HashingLane
  private var blocksRead = 0
  /// Whether the file system can copy; if not, the bytes pass through the blocks.
  private var copiesInside = true
  private var copied: UInt64 = 0

  init(of source: File, to destination: File) throws(KacheryError) {
    self.source = source
    self.destination = destination
    hashing = try HashingLane(depth: Self.ringSize - 1)
    blocks = .allocate(byteCount: Self.ringSize * Limits.blockSize, alignment: 4096)
  }

  deinit {
    // After a failure the thread may still read a block.
    hashing.wait()
    blocks.deallocate()
  }

  /// Copies until the source ends or exceeds `size`.
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

  /// The next block of the ring. It has been hashed: `add` waits while the thread has too many blocks left.
  private mutating func nextBlock() -> UnsafeMutableRawBufferPointer {
    let start = blocksRead % Self.ringSize * Limits.blockSize
    blocksRead += 1
    return UnsafeMutableRawBufferPointer(rebasing: blocks[start..<start + Limits.blockSize])
  }

  /// Copies the next bytes to the destination and reads them into the block.
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

/// A thread that hashes bytes in the order of `add`.
private final class HashingLane: Sendable {
  private let lane: WorkerThread
  private let digester = Mutex(ContentDigester())

  init(depth: Int) throws(KacheryError) { lane = try WorkerThread(named: "hashing", depth: depth) }

  /// Hashes bytes that must not change until they are hashed.
  func add(_ bytes: UnsafeRawBufferPointer) {
    // The caller does not write to them until then.
    nonisolated(unsafe) let bytes = bytes
    lane.add { self.digester.withLock { $0.update(bytes) } }
  }

  /// Waits until all added bytes are hashed, and returns their digester.
  @discardableResult
  func wait() -> ContentDigester {
    lane.waitUntilDone()
    return digester.withLock { $0 }
  }
}
