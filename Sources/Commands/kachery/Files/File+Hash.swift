import Crypto
import Files
import Primitives

extension File {
  /// The hash of its bytes, read from the beginning to the end.
  func hash() throws(KacheryError) -> ContentHash {
    var digest = SHA1Digest()
    var offset: UInt64 = 0
    while true {
      let block = try bytes(at: offset, count: Limits.blockSize)
      guard !block.isEmpty else { return digest.finish() }
      block.withUnsafeBytes { digest.update($0) }
      offset += UInt64(block.count)
    }
  }
}
