import Crypto
import Primitives

/// The digest of a file from its first byte to some place, which one chunk at a time may carry further on trial.
struct PrefixDigest: Sendable {
  private var digest = SHA1Digest()
  /// The state before the chunk on trial, and where that chunk begins.
  private var trial: (digest: SHA1Digest, start: UInt64)?
  /// The first byte that is not taken in yet.
  private(set) var end: UInt64 = 0

  init() {}

  /// Begins to take in the chunk at `start` on trial.
  ///
  /// - Returns: false if the digest has not reached that place, or another chunk is on trial.
  mutating func begin(at start: UInt64) -> Bool {
    guard trial == nil, end == start else { return false }
    trial = (digest, start)
    return true
  }

  /// Takes in the next bytes.
  mutating func update(_ bytes: UnsafeRawBufferPointer) {
    digest.update(bytes)
    end += UInt64(bytes.count)
  }

  /// Takes in the next bytes, as another digest does if there is one.
  mutating func update(_ bytes: UnsafeRawBufferPointer, alongside other: inout SHA1Digest?) {
    guard other != nil else { return update(bytes) }
    other?.update(bytes, alongside: &digest)
    end += UInt64(bytes.count)
  }

  /// The chunk on trial was good.
  mutating func commit() { trial = nil }

  /// The chunk on trial was bad: as if it had never come.
  mutating func rollBack() {
    guard let trial else { return }
    digest = trial.digest
    end = trial.start
    self.trial = nil
  }

  /// The hash of the bytes taken in so far.
  var hash: ContentHash {
    var copy = digest
    return copy.finish()
  }
}
