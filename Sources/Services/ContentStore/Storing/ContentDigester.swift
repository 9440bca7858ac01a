import Crypto
import Primitives

/// Computes the hash of a file and of each of its chunks in one pass over the bytes, in order.
struct ContentDigester: Sendable {
  private var whole = SHA1Digest()
  private var chunk = SHA1Digest()
  private var chunkHashes: [ContentHash] = []
  /// Bytes hashed so far.
  private(set) var count: UInt64 = 0

  init() {}

  /// Hashes the next bytes.
  mutating func update(_ bytes: UnsafeRawBufferPointer) {
    var rest = bytes[...]
    while !rest.isEmpty {
      if count == nextBoundary { endChunk() }
      let piece = UnsafeRawBufferPointer(rebasing: rest.prefix(Int(nextBoundary - count)))
      // Until its end, the first chunk has the digest of the whole; small files need no second digest.
      if chunkHashes.isEmpty { whole.update(piece) } else { whole.update(piece, alongside: &chunk) }
      count += UInt64(piece.count)
      rest = rest.dropFirst(piece.count)
    }
  }

  /// The hash of the whole file and, if it is larger than the threshold, its manifest.
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
