import Crypto
import Files
import Primitives

/// The SHA-256 of files.
enum FileDigest {
  private static let pieceSize = 1 << 20

  /// Reads the whole file, and passes on each piece.
  ///
  /// - Returns: its size and its digest.
  static func read(
    _ file: File, _ body: ([UInt8]) throws(KacheryError) -> Void = { (_) throws(KacheryError) in }
  ) throws(KacheryError) -> (size: UInt64, digest: [UInt8]) {
    let digest = SHA256Stream()
    var size: UInt64 = 0
    while true {
      let piece = try file.bytes(at: size, count: pieceSize)
      guard !piece.isEmpty else { return (size, digest.finish()) }
      digest.update(piece)
      try body(piece)
      size += UInt64(piece.count)
    }
  }

  /// The digest of the whole file.
  static func of(_ file: File) throws(KacheryError) -> [UInt8] { try read(file).digest }
}
