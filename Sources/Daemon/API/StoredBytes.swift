import ContentStore
import EventLoop
import LocalAPI
import Primitives

/// A range of a stored file, for a client's download.
struct StoredBytes: FileBytes {
  private let file: StoredFileReader
  private let loop: EventLoop
  private let range: ByteRange

  /// The bytes from `start` up to, not including, `end`.
  ///
  /// - Throws: `badRequest` if they are outside the file.
  init(_ file: StoredFileReader, loop: EventLoop, start: UInt64, end: UInt64) throws(KacheryError) {
    guard let range = ByteRange(start: start, end: end), ByteRange(whole: file.size).contains(range) else {
      throw KacheryError(.badRequest, "Bytes \(start) to \(end) are outside the file of \(file.size) bytes.")
    }
    self.file = file
    self.loop = loop
    self.range = range
  }

  var count: UInt64 { range.count }

  func block(at offset: UInt64) async throws(KacheryError) -> [UInt8] {
    let start = range.start + offset
    let end = min(start + UInt64(Limits.blockSize), range.end)
    return try await loop.onPool { [file] () throws(KacheryError) in
      guard let part = ByteRange(start: start, end: end) else { return [] }
      return try file.bytes(part)
    }
  }
}
