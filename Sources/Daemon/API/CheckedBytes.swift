import Crypto
import LocalAPI
import Primitives

/// A whole file that is read from its first byte to its last, while its hash is computed: the last block is given out only
/// if the hash is right.
///
/// A manifest is a claim of a node, and the chunks of a file are checked against nothing else.
actor CheckedBytes: FileBytes {
  nonisolated let count: UInt64
  private let hash: ContentHash
  private let bytes: any FileBytes
  private let onMismatch: @Sendable () async -> Void
  private var digest = SHA1Digest()
  private var digested: UInt64 = 0

  /// - Parameter onMismatch: called if the bytes have another hash.
  init(_ bytes: any FileBytes, of hash: ContentHash, onMismatch: @escaping @Sendable () async -> Void) {
    count = bytes.count
    self.bytes = bytes
    self.hash = hash
    self.onMismatch = onMismatch
  }

  /// - Throws: `hashMismatch` in place of the last block if the file has another hash.
  func block(at offset: UInt64) async throws(KacheryError) -> [UInt8] {
    guard offset < count else { return [] }
    let block = try await bytes.block(at: offset)
    guard offset == digested else {
      throw KacheryError(.badRequest, "The bytes at \(offset) are read out of their order.")
    }
    block.withUnsafeBytes { digest.update($0) }
    digested += UInt64(block.count)
    guard digested == count else { return block }
    guard digest.finish() == hash else {
      await onMismatch()
      throw KacheryError(.hashMismatch, "The chunks that the manifest names do not make up the file \(hash).")
    }
    return block
  }
}
