internal import COpenSSL

/// The buffer from which a session reads ciphertext and to which it writes ciphertext, instead of a socket.
final class TLSPipe {
  /// Input that the session has not read yet. Set only during a call.
  var input = UnsafeRawBufferPointer(start: nil, count: 0)[...]
  private var output: [UInt8] = []

  func drainOutput(_ send: (UnsafeRawBufferPointer) -> Void) {
    guard !output.isEmpty else { return }
    output.withUnsafeBytes { send($0) }
    // Keeps enough for a handshake; frees the memory after a larger burst.
    output.removeAll(keepingCapacity: output.capacity <= 1 << 20)
  }

  /// Frees the memory that output took, if none waits.
  func releaseMemory() {
    if output.isEmpty { output = [] }
  }

  /// Creates a BIO on this pipe. The pipe must outlive it: the session owns both and frees the BIO first.
  func makeBIO() -> OpaquePointer? {
    let bio = BIO_new(Self.method)
    BIO_set_data(bio, Unmanaged.passUnretained(self).toOpaque())
    BIO_set_init(bio, 1)
    return bio
  }

  // Created once per process and never changed: safe to share.
  private nonisolated(unsafe) static let method: OpaquePointer? = {
    let method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "kachery pipe")
    BIO_meth_set_read(method) { bio, buffer, count in
      guard let pipe = TLSPipe.of(bio), let buffer else { return -1 }
      COpenSSL_bio_clear_retry(bio)
      let taken = min(pipe.input.count, Int(count))
      guard taken > 0 else {
        COpenSSL_bio_set_retry_read(bio)
        return -1
      }
      UnsafeMutableRawBufferPointer(start: buffer, count: taken)
        .copyMemory(from: UnsafeRawBufferPointer(rebasing: pipe.input.prefix(taken)))
      pipe.input = pipe.input.dropFirst(taken)
      return Int32(taken)
    }
    BIO_meth_set_write(method) { bio, buffer, count in
      guard let pipe = TLSPipe.of(bio) else { return -1 }
      pipe.output.append(contentsOf: UnsafeRawBufferPointer(start: buffer, count: Int(count)))
      return count
    }
    BIO_meth_set_ctrl(method) { _, command, _, _ in command == BIO_CTRL_FLUSH ? 1 : 0 }
    return method
  }()

  private static func of(_ bio: OpaquePointer?) -> TLSPipe? {
    BIO_get_data(bio).map { Unmanaged<TLSPipe>.fromOpaque($0).takeUnretainedValue() }
  }
}
