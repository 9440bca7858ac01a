import APIModel
import ContentStore
import Crypto
import Files
import Primitives

/// A file to store, or standard input.
struct FileToStore {
  let path: String
  /// Its name for people.
  let name: String

  /// The size in bytes from which progress is shown.
  private static let longSize: UInt64 = 100_000_000

  func store(in storage: Storage, isQuiet: Bool) throws(KacheryError) -> StoreReply {
    if path == "-" { return try upload(.standardInput, size: nil, to: storage) }
    let size = ((try? FileSystem.statusIfPresent(path)) ?? nil)?.size ?? 0
    let isLong = size >= Self.longSize
    var bar = ProgressBar(name: String(path.lastPathName), isQuiet: isQuiet || !isLong)
    defer { bar.end() }
    switch storage {
    case .offline(let store):
      let receipt = try store.store(path: path) { (done) throws(KacheryError) in
        bar.update(done, of: max(size, done), from: nil)
      }
      return StoreReply(hash: receipt.hash, manifest: receipt.manifest)
    case .online(let client):
      bar.announce("storing \(Quantity.bytes(Double(size)))…")
      return client.isRemote ? try sendBytes(to: storage) : try storeThroughDaemon(client, storage)
    }
  }

  /// Lets the daemon read the file itself, or sends it the bytes if it cannot access the file.
  private func storeThroughDaemon(_ client: DaemonClient, _ storage: Storage) throws(KacheryError) -> StoreReply {
    let resolved: String
    do throws(KacheryError) { resolved = try FileSystem.resolved(path) } catch { throw problem(error) }
    do throws(KacheryError) {
      let request: JSONValue = ["localFilePath": .string(resolved), "name": .string(name)]
      return try StoreReply(json: try client.post("/storeFile", request))
    } catch  where error.code == .permissionDenied || error.code == .notFound {
      return try sendBytes(to: storage)
    }
  }

  private func sendBytes(to storage: Storage) throws(KacheryError) -> StoreReply {
    let (stream, file, status): (FileStream, File, FileStatus)
    do throws(KacheryError) {
      stream = try FileStream(path, .read)
      status = try stream.status()
      file = try File(path, .read)
    } catch {
      throw problem(error)
    }
    defer { file.close() }
    guard status.kind == .regular else {
      throw KacheryError(.badRequest, "'\(path)' is not a regular file; only regular files can be stored.")
    }
    let reply = try upload(stream, size: status.size, to: storage)
    guard try hash(of: file) == reply.hash else {
      throw KacheryError(
        .hashMismatch,
        "The daemon stored something other than '\(path)', or the file changed in the meantime; store it again.")
    }
    return reply
  }

  /// The file's hash, computed here: the daemon's reply alone does not prove that the bytes arrived intact.
  private func hash(of file: File) throws(KacheryError) -> ContentHash {
    do throws(KacheryError) { return try file.hash() } catch { throw problem(error) }
  }

  private func problem(_ error: KacheryError) -> KacheryError {
    KacheryError(error.code, "'\(path)' cannot be stored: \(error.systemReason ?? error.message).", cause: error.cause)
  }

  private func upload(_ stream: FileStream, size: UInt64?, to storage: Storage) throws(KacheryError) -> StoreReply {
    switch storage {
    case .online(let client): return try client.upload(stream, size: size, named: name)
    case .offline(let store):
      let writer = try store.beginStore()
      while true {
        let block: [UInt8]
        do throws(KacheryError) { block = try stream.read(atMost: Limits.blockSize) } catch { throw problem(error) }
        if block.isEmpty { break }
        try writer.write(block)
      }
      let receipt = try writer.finish()
      return StoreReply(hash: receipt.hash, manifest: receipt.manifest)
    }
  }
}
