import Crypto
import Primitives

/// The hashes of a file whose bytes come by once, in order: of the whole and of each chunk.
struct ContentDigester: Sendable {
  private var whole = SHA1Digest()
  private var chunk = SHA1Digest()
  private var chunkHashes: [ContentHash] = []
  /// Bytes taken in.
  private(set) var count: UInt64 = 0

  init() {}

  /// Takes in the next bytes.
  mutating func update(_ bytes: UnsafeRawBufferPointer) {
    var rest = bytes[...]
    while !rest.isEmpty {
      if count == nextBoundary { endChunk() }
      let piece = UnsafeRawBufferPointer(rebasing: rest.prefix(Int(nextBoundary - count)))
      // The first chunk is the whole so far, and small files need no more.
      if chunkHashes.isEmpty { whole.update(piece) } else { whole.update(piece, alongside: &chunk) }
      count += UInt64(piece.count)
      rest = rest.dropFirst(piece.count)
    }
  }

  /// The hash of the whole and, for a file over the threshold, its manifest.
  mutating func finish() -> (hash: ContentHash, manifest: Manifest?) {
    let isLarge = count > Limits.manifestThreshold
    if isLarge { endChunk() }
    let hash = whole.finish()
    return (hash, isLarge ? Manifest(size: count, hash: hash, chunkHashes: chunkHashes) : nil)
  }

  private var chunkStart: UInt64 { UInt64(chunkHashes.count) * Limits.chunkSize }
  private var nextBoundary: UInt64 { chunkStart + Limits.chunkSize }

  private mutating func endChunk() {
    var digest = chunkHashes.isEmpty ? whole : chunk
    chunkHashes.append(digest.finish())
    chunk = SHA1Digest()
  }
}
