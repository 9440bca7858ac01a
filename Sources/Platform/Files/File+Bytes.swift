import CPosix
package import Primitives

extension File {
  /// Reads from `offset` until `buffer` is full or the file ends.
  ///
  /// - Returns: the number of bytes read; less than the size of the buffer only at the end of the file.
  package func read(at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer) throws(KacheryError) -> Int {
    var done = 0
    while done < buffer.count {
      let place = try place(offset, done)
      let rest = UnsafeMutableRawBufferPointer(rebasing: buffer[done...])
      let count = try call("read") { CPosix_pread($0, rest.baseAddress, rest.count, place) }
      if count == 0 { break }
      done += count
    }
    return done
  }

  /// Fills `buffer` from `offset` if the page cache holds all of the bytes; never waits for a disk.
  ///
  /// - Returns: false if it does not, or the file system cannot tell; the content of the buffer is then undefined.
  package func readCached(at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer) -> Bool {
    guard let place = try? place(offset, 0) else { return false }
    let count = try? call("read") { CPosix_pread_cached($0, buffer.baseAddress, buffer.count, place) }
    return count == buffer.count
  }

  /// Writes all of `bytes` at `offset`.
  package func write(at offset: UInt64, _ bytes: UnsafeRawBufferPointer) throws(KacheryError) {
    var done = 0
    while done < bytes.count {
      let place = try place(offset, done)
      let rest = UnsafeRawBufferPointer(rebasing: bytes[done...])
      done += try call("write") { CPosix_pwrite($0, rest.baseAddress, rest.count, place) }
    }
  }

  /// Writes all of `bytes` at `offset`.
  package func write(at offset: UInt64, _ bytes: [UInt8]) throws(KacheryError) {
    let result = bytes.withUnsafeBytes { buffer in
      Result { () throws(KacheryError) in try write(at: offset, buffer) }
    }
    try result.get()
  }

  /// Copies bytes of another file to the same offset in this one inside the kernel; some file systems share the blocks
  /// of the two files instead.
  ///
  /// - Returns: the number of bytes copied, fewer at the end of `source`; nil if the kernel cannot copy, for any
  ///   reason.
  package func copy(_ range: ByteRange, of source: File) -> UInt64? {
    guard let place = off_t(exactly: range.start), let count = Int(exactly: range.count) else { return nil }
    let copied = try? call("write", with: source) { CPosix_copy_range($1, place, $0, place, count) }
    return copied.map { UInt64($0) }
  }

  /// The next `count` bytes from `offset`; fewer at the end of the file.
  package func bytes(at offset: UInt64, count: Int) throws(KacheryError) -> [UInt8] {
    var failure: KacheryError?
    let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, used in
      do throws(KacheryError) { used = try read(at: offset, into: UnsafeMutableRawBufferPointer(buffer)) } catch {
        failure = error
      }
    }
    if let failure { throw failure }
    return bytes
  }

  private func place(_ offset: UInt64, _ done: Int) throws(KacheryError) -> off_t {
    let (sum, overflow) = offset.addingReportingOverflow(UInt64(done))
    guard !overflow, let place = off_t(exactly: sum) else {
      throw KacheryError(.badRequest, "Byte \(offset) of \(path) is beyond any file; ask for a smaller offset.")
    }
    return place
  }
}
