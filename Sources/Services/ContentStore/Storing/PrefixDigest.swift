import Crypto
import Primitives

/// The digest of a file from its first byte up to `end`. One chunk at a time may extend it on trial.
struct PrefixDigest: Sendable {
  private var digest = SHA1Digest()
  /// The state before the chunk on trial, and the start of that chunk.
  private var trial: (digest: SHA1Digest, start: UInt64)?
  /// The first byte that is not hashed yet.
  private(set) var end: UInt64 = 0

  init() {}

  /// Starts hashing the chunk at `start` on trial.
  ///
  /// - Returns: false if the digest ends elsewhere, or another chunk is on trial.
  mutating func begin(at start: UInt64) -> Bool {
    guard trial == nil, end == start else { return false }
    trial = (digest, start)
    return true
  }

  /// Hashes the next bytes.
  mutating func update(_ bytes: UnsafeRawBufferPointer) {
    digest.update(bytes)
    end += UInt64(bytes.count)
  }

  /// Hashes the next bytes, here and in the other digest if there is one.
  mutating func update(_ bytes: UnsafeRawBufferPointer, alongside other: inout SHA1Digest?) {
    guard other != nil else { return update(bytes) }
    other?.update(bytes, alongside: &digest)
    end += UInt64(bytes.count)
  }

  /// Keeps the chunk on trial.
  mutating func commit() { trial = nil }

  /// Drops the chunk on trial, as if it had never been hashed.
  mutating func rollBack() {
    guard let trial else { return }
    digest = trial.digest
    end = trial.start
    self.trial = nil
  }

  /// The hash of the bytes so far.
  var hash: ContentHash {
    var copy = digest
    return copy.finish()
  }
}
