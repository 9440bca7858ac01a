import Files
import Primitives

/// Reads a range of a file block by block.
enum FileBlocks {
  /// Passes each block of the range to `body`, in order.
  ///
  /// - Throws: `storageFailed` if the file ends before the range does; also rethrows errors of `body`.
  static func forEach(
    of file: File, _ range: ByteRange, _ body: (UnsafeRawBufferPointer) throws(KacheryError) -> Void
  ) throws(KacheryError) {
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: Limits.blockSize, alignment: 4096)
    defer { buffer.deallocate() }
    var offset = range.start
    while offset < range.end {
      let wanted = Int(min(UInt64(buffer.count), range.end - offset))
      let block = UnsafeMutableRawBufferPointer(rebasing: buffer[..<wanted])
      guard try file.read(at: offset, into: block) == wanted else {
        throw KacheryError(.storageFailed, "\(file.path) ends before byte \(range.end); something cut it short.")
      }
      try body(UnsafeRawBufferPointer(block))
      offset += UInt64(wanted)
    }
  }
}
