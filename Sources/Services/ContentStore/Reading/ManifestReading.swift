import Crypto
import Files
import Primitives

/// Reads a stored manifest block by block and verifies its hash on the way.
final class ManifestReading {
  private let file: StoredFileReader
  private var digest = SHA1Digest()
  private var position: UInt64 = 0

  init(_ file: StoredFileReader) { self.file = file }

  /// - Throws: `hashMismatch` if the file is damaged, whatever else is wrong with it; `badManifest` if it is not a
  ///   manifest.
  func manifest() throws(KacheryError) -> Manifest {
    let result = Result { () throws(KacheryError) in
      try Manifest { () throws(KacheryError) in try self.nextBlock() }
    }
    while try !nextBlock().isEmpty {}
    guard digest.finish() == file.hash else { throw ContentStore.damaged(file.hash) }
    return try result.get()
  }

  private func nextBlock() throws(KacheryError) -> [UInt8] {
    let end = min(position + UInt64(Limits.blockSize), file.size)
    guard let range = ByteRange(start: position, end: end) else { return [] }
    let block = try file.bytes(range)
    block.withUnsafeBytes { digest.update($0) }
    position = end
    return block
  }

  /// The blocks of a file whose hash the caller checks in another way.
  static func blocks(of file: File, size: UInt64) -> () throws(KacheryError) -> [UInt8] {
    var position: UInt64 = 0
    return { () throws(KacheryError) in
      let block = try file.bytes(at: position, count: Int(min(UInt64(Limits.blockSize), size - position)))
      position += UInt64(block.count)
      return block
    }
  }
}
