import Files
package import Primitives

/// An open stored file. Thread-safe; closed by `close()` or when it is released.
package final class StoredFileReader: Sendable {
  package let hash: ContentHash
  /// In bytes.
  package let size: UInt64
  private let file: File
  private let use: FileUse?
  /// The status of a linked file when it was opened; its user may change it at any time.
  private let linkedStatus: FileStatus?

  /// - Parameter use: keeps the file from being removed; nil for a part of an incoming file, which stays readable
  ///   whether or not the rest arrives.
  init(_ hash: ContentHash, _ file: File, size: UInt64, _ use: FileUse?) {
    self.hash = hash
    self.size = size
    self.file = file
    self.use = use
    linkedStatus = nil
  }

  /// - Throws: `fileChanged` if it is no longer the file that was found.
  init(linked found: StoredFile, _ use: FileUse, _ clientScope: ClientScope) throws(KacheryError) {
    hash = found.hash
    size = found.size
    self.use = use
    file = try File(found.path, .read)
    let status = try file.status()
    guard status.kind == .regular, status.size == found.size, found.link?.matches(status) ?? true else {
      file.close()
      throw Self.changed(found.path)
    }
    linkedStatus = status
    // The target belongs to a user, who may have replaced it.
    try clientScope.requireReadable(file)
  }

  /// Fills `buffer` with the bytes at `offset`.
  ///
  /// - Returns: the number of bytes read, always the size of the buffer.
  /// - Throws: `badRequest` if the file ends before the buffer is full; `fileChanged` if it is a linked file that has
  ///   changed.
  @discardableResult
  package func read(at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer) throws(KacheryError) -> Int {
    let (end, overflow) = offset.addingReportingOverflow(UInt64(buffer.count))
    guard !overflow, end <= size else {
      throw KacheryError(
        .badRequest, "The file \(hash) has \(size) bytes; \(buffer.count) from byte \(offset) are past its end.")
    }
    let count = try file.read(at: offset, into: buffer)
    let isUnchanged = try linkedStatus.map { (before) throws(KacheryError) in
      try file.status().isUnchanged(since: before)
    }
    guard count == buffer.count, isUnchanged ?? true else { throw Self.changed(file.path) }
    return count
  }

  /// The bytes of a range if they are in memory, for callers that must not block on the disk. Nil also for any linked
  /// file.
  package func cachedBytes(_ range: ByteRange) -> [UInt8]? {
    guard range.end <= size, linkedStatus == nil else { return nil }
    var isCached = false
    let bytes = [UInt8](unsafeUninitializedCapacity: Int(range.count)) { buffer, used in
      isCached = file.readCached(
        at: range.start,
        into: UnsafeMutableRawBufferPointer(rebasing: UnsafeMutableRawBufferPointer(buffer)[..<Int(range.count)]))
      used = isCached ? Int(range.count) : 0
    }
    return isCached ? bytes : nil
  }

  /// Hints that the system should start reading the bytes of a range into memory.
  package func startReading(_ range: ByteRange) { file.startReading(range) }

  /// The bytes of a range that is small enough for memory.
  package func bytes(_ range: ByteRange) throws(KacheryError) -> [UInt8] {
    guard range.end <= size else {
      throw KacheryError(.badRequest, "The file \(hash) has \(size) bytes; \(range) is past its end.")
    }
    var failure: KacheryError?
    let bytes = [UInt8](unsafeUninitializedCapacity: Int(range.count)) { buffer, used in
      do throws(KacheryError) { used = try read(at: range.start, into: UnsafeMutableRawBufferPointer(buffer)) } catch {
        failure = error
      }
    }
    if let failure { throw failure }
    return bytes
  }

  /// Closes the file. Idempotent.
  package func close() {
    file.close()
    use?.end()
  }

  private static func changed(_ path: String) -> KacheryError {
    KacheryError(.fileChanged, "\(path) changed since it was stored or linked; store or link it again.")
  }
}
