import Crypto
import Files
import Primitives
import Synchronization
import Threads

/// Copies a large file while two more threads hash the copy: one the whole, one the chunks.
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
  private let hashing: [HashingLane]
  private var blocksRead = 0
  /// Whether the file system copies; where it cannot, the bytes pass through the blocks.
  private var copiesInside = true
  private var copied: UInt64 = 0

  init(of source: File, to destination: File) throws(KacheryError) {
    self.source = source
    self.destination = destination
    hashing = [
      try HashingLane(chunkSize: nil, depth: Self.ringSize - 1),
      try HashingLane(chunkSize: Limits.chunkSize, depth: Self.ringSize - 1),
    ]
    blocks = .allocate(byteCount: Self.ringSize * Limits.blockSize, alignment: 4096)
  }

  deinit {
    // The threads may still read where a failure ended the copy.
    for lane in hashing { lane.wait() }
    blocks.deallocate()
  }

  /// Copies until the source ends, or is longer than `size`.
  ///
  /// - Returns: the number of bytes copied, and the manifest of exactly those.
  mutating func run(
    expecting size: UInt64, afterBlock: (_ bytesRead: UInt64) throws(KacheryError) -> Void
  ) throws(KacheryError) -> Manifest {
    var offset: UInt64 = 0
    while offset <= size {
      let block = nextBlock()
      let count = try fill(block, at: offset)
      guard count > 0 else { break }
      let filled = UnsafeRawBufferPointer(rebasing: block[..<count])
      for lane in hashing { lane.add(filled) }
      Writeback.start(of: destination, from: offset, to: offset + UInt64(count))
      offset += UInt64(count)
      try afterBlock(offset)
    }
    for lane in hashing { lane.wait() }
    return Manifest(size: offset, hash: hashing[0].hashOfAll, chunkHashes: hashing[1].chunkHashes)
  }

  /// A block that no thread hashes any more: each lane takes a new one only once it has few enough left.
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

/// A thread that hashes bytes as they are handed over, as a whole or in chunks.
private final class HashingLane: Sendable {
  private struct State {
    var digest = SHA1Digest()
    var start: UInt64 = 0
    var end: UInt64 = 0
    var chunkHashes: [ContentHash] = []
  }

  private let lane: WorkLane
  private let chunkSize: UInt64?
  private let state = Mutex(State())

  init(chunkSize: UInt64?, depth: Int) throws(KacheryError) {
    lane = try WorkLane(depth: depth)
    self.chunkSize = chunkSize
  }

  /// Hashes bytes that stay as they are until the lane is done with them.
  func add(_ bytes: UnsafeRawBufferPointer) {
    // Nobody writes to them until then.
    nonisolated(unsafe) let bytes = bytes
    lane.add { self.state.withLock { self.take(bytes, into: &$0) } }
  }

  func wait() { lane.waitUntilDone() }

  var hashOfAll: ContentHash { state.withLock { $0.digest.finish() } }

  /// The hashes of the chunks, the last one ending where the bytes do.
  var chunkHashes: [ContentHash] {
    state.withLock { state in
      endChunk(&state)
      return state.chunkHashes
    }
  }

  private func take(_ bytes: UnsafeRawBufferPointer, into state: inout State) {
    var rest = bytes[...]
    while !rest.isEmpty {
      let room = chunkSize.map { Int($0 - (state.end - state.start)) } ?? rest.count
      let piece = rest.prefix(room)
      state.digest.update(UnsafeRawBufferPointer(rebasing: piece))
      state.end += UInt64(piece.count)
      rest = rest.dropFirst(piece.count)
      if let chunkSize, state.end - state.start == chunkSize { endChunk(&state) }
    }
  }

  private func endChunk(_ state: inout State) {
    guard state.end > state.start else { return }
    state.chunkHashes.append(state.digest.finish())
    state.digest = SHA1Digest()
    state.start = state.end
  }
}
