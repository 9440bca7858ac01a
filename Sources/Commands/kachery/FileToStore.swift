import APIModel
import ContentStore
import Crypto
import Glibc
import Primitives

/// A file that is to be stored, or standard input.
struct FileToStore {
  let path: String

  /// From this size on, in bytes, a person is shown that it goes on.
  private static let longSize: off_t = 100_000_000

  func store(in storage: Storage, isQuiet: Bool) throws(KacheryError) -> StoreReply {
    if path == "-" { return try upload(STDIN_FILENO, size: nil, to: storage) }
    var status = stat()
    let isLong = stat(path, &status) == 0 && status.st_size >= Self.longSize
    let size = UInt64(max(0, status.st_size))
    var bar = ProgressBar(name: String(path.lastPathName), isQuiet: isQuiet || !isLong)
    defer { bar.end() }
    switch storage {
    case .offline(let store):
      let receipt = try store.store(path: path) { (done) throws(KacheryError) in
        bar.update(done, of: max(size, done), from: nil)
      }
      return StoreReply(hash: receipt.hash, manifest: receipt.manifest)
    case .online(let client):
      bar.announce("storing \(ProgressBar.bytes(Double(size)))…")
      return client.isRemote ? try sendBytes(to: storage) : try storeThroughDaemon(client, storage)
    }
  }

  /// The daemon reads the file itself; where it may not, or does not see it, the bytes are sent to it.
  private func storeThroughDaemon(_ client: DaemonClient, _ storage: Storage) throws(KacheryError) -> StoreReply {
    guard let resolved = realpath(path, nil) else { throw problem() }
    defer { free(resolved) }
    do throws(KacheryError) {
      return try StoreReply(
        json: try client.post("/storeFile", ["localFilePath": .string(String(cString: resolved))]))
    } catch  where error.code == .permissionDenied || error.code == .notFound {
      return try sendBytes(to: storage)
    }
  }

  private func sendBytes(to storage: Storage) throws(KacheryError) -> StoreReply {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw problem() }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw problem() }
    guard status.st_mode & S_IFMT == S_IFREG else {
      throw KacheryError(.badRequest, "'\(path)' is no regular file; only those can be stored.")
    }
    let reply = try upload(descriptor, size: UInt64(status.st_size), to: storage)
    guard try hash(of: descriptor) == reply.hash else {
      throw KacheryError(
        .hashMismatch,
        "The daemon stored something other than '\(path)', or the file changed meanwhile; store it again.")
    }
    return reply
  }

  /// What was sent is read again: the daemon's word alone does not tell that all of it arrived as it was.
  private func hash(of descriptor: Int32) throws(KacheryError) -> ContentHash {
    var digest = SHA1Digest()
    var buffer = [UInt8](repeating: 0, count: Limits.blockSize)
    var offset: off_t = 0
    while true {
      let count = pread(descriptor, &buffer, buffer.count, offset)
      if count < 0, errno == EINTR { continue }
      guard count >= 0 else { throw problem() }
      guard count > 0 else { return digest.finish() }
      buffer.withUnsafeBytes { digest.update(UnsafeRawBufferPointer(rebasing: $0.prefix(count))) }
      offset += off_t(count)
    }
  }

  private func problem() -> KacheryError {
    let number = errno
    let code: KacheryError.Code = number == ENOENT ? .notFound : number == EACCES ? .permissionDenied : .storageFailed
    return KacheryError(code, "'\(path)' cannot be stored: \(String(cString: strerror(number))).")
  }

  private func upload(_ descriptor: Int32, size: UInt64?, to storage: Storage) throws(KacheryError) -> StoreReply {
    switch storage {
    case .online(let client): return try client.upload(descriptor, size: size)
    case .offline(let store):
      let writer = try store.beginStore()
      var buffer = [UInt8](repeating: 0, count: Limits.blockSize)
      while true {
        let count = read(descriptor, &buffer, buffer.count)
        if count < 0, errno == EINTR { continue }
        guard count >= 0 else { throw problem() }
        if count == 0 { break }
        try writer.write(Array(buffer.prefix(count)))
      }
      let receipt = try writer.finish()
      return StoreReply(hash: receipt.hash, manifest: receipt.manifest)
    }
  }
}
