import APIModel
import ContentStore
import Diagnostics
import Primitives
import Process

/// A cache on this machine for files from a daemon on another: a separate storage directory that may be emptied at any
/// time.
struct RemoteCache {
  private let store: ContentStore

  init() throws(KacheryError) {
    store = try ContentStore(directory: try Self.directory, log: .disabled)
  }

  private static var directory: String {
    get throws(KacheryError) {
      if let named = Environment["KACHERY_CACHE_DIR"] { return named }
      let base = Environment["XDG_CACHE_HOME"].flatMap { $0.begins(with: "/") ? $0 : nil }
      guard let base = base ?? Environment.home.map({ "\($0)/.cache" }) else {
        throw KacheryError(
          .badConfiguration, "There is no home folder for the cache; set KACHERY_CACHE_DIR to a folder of yours.")
      }
      return "\(base)/kachery"
    }
  }

  /// The cached file's path; nil if it is not cached, or was altered.
  func find(_ hash: ContentHash) throws(KacheryError) -> String? {
    do throws(KacheryError) { return try store.find(hash)?.path } catch  where error.code == .hashMismatch {
      return nil
    }
  }

  /// The file's path; fetches its bytes from the daemon, which has the file, unless they are cached. If the URI names a
  /// manifest, the bytes arrive in chunks, and an interrupted load resumes.
  ///
  /// - Throws: `hashMismatch` if the daemon sends something other than the file.
  func path(of file: RemoteFile, showing bar: inout ProgressBar) throws(KacheryError) -> String {
    if let present = try find(file.key.hash) { return present }
    guard let name = file.key.manifest else { return try wholePath(of: file, &bar) }
    let manifest = try file.manifest(name)
    do throws(KacheryError) {
      return try receive(file, by: manifest, &bar)
    } catch {
      // Another command is receiving the same file.
      guard error.code == .alreadyRunning else { throw error }
      return try wholePath(of: file, &bar)
    }
  }

  private func receive(
    _ file: RemoteFile, by manifest: Manifest, _ bar: inout ProgressBar
  ) throws(KacheryError) -> String {
    let incoming = try store.beginReceive(manifest.hash, size: manifest.size, chunks: Array(manifest.chunks))
    defer { incoming.close() }
    let present = Set(incoming.resumed.map(\.range.start))
    for chunk in manifest.chunks where !present.contains(chunk.range.start) {
      let arriving = try incoming.beginChunk(chunk.range, expected: chunk.hash)
      var failure: KacheryError?
      bar.update(incoming.arrivedBytes, of: manifest.size, from: nil)
      do throws(KacheryError) {
        try file.read(chunk.range.start, chunk.range.end) { bytes in
          do throws(KacheryError) { try arriving.append(bytes) } catch { failure = error }
          bar.update(incoming.arrivedBytes + arriving.received, of: manifest.size, from: nil)
          return failure == nil
        }
      } catch { throw failure ?? error }
      try arriving.finish()
    }
    return try incoming.finish().path
  }

  private func wholePath(of file: RemoteFile, _ bar: inout ProgressBar) throws(KacheryError) -> String {
    let writer = try store.beginStore()
    var failure: KacheryError?
    do throws(KacheryError) {
      try file.client.download(["fileKey": file.key.json]) { bytes in
        do throws(KacheryError) { try writer.write(bytes) } catch { failure = error }
        return failure == nil
      }
    } catch { throw failure ?? error }
    let receipt = try writer.finish()
    guard receipt.hash == file.key.hash else {
      throw KacheryError(
        .hashMismatch,
        "The daemon sent bytes for \(file.key.hash) that have the hash \(receipt.hash); they were discarded.")
    }
    return store.path(of: file.key.hash)
  }
}
