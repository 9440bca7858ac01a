import APIModel
import ContentStore
import LocalAPI
import Primitives

/// Ranges of files, without the rest of them.
extension Node {
  func openRange(_ request: ReadRequest) async throws(KacheryError) -> any FileBytes {
    let hash = request.key.hash
    if let file = try await onPool({ [store] () throws(KacheryError) in try store.open(hash) }) {
      return try StoredBytes(file, loop: loop, start: request.start, end: request.end ?? file.size)
    }
    guard let manifest = try await manifest(for: request) else {
      _ = try await load(request.key, request)
      return try await openFile(DownloadRequest(key: request.key, start: request.start, end: request.end))
    }
    guard let range = ByteRange(start: request.start, end: request.end ?? manifest.size),
      ByteRange(whole: manifest.size).contains(range)
    else {
      throw KacheryError(
        .badRequest,
        "Bytes \(request.start) to \(request.end ?? manifest.size) do not lie in the file of \(manifest.size) bytes.")
    }
    return RangeOfChunks(range, of: manifest, loop: loop) { key throws(KacheryError) in
      try await self.load(key, request)
    }
  }

  /// Brings a file here; gives back where it lies.
  private func load(_ key: FileKey, _ request: ReadRequest) async throws(KacheryError) -> String {
    do {
      for try await event in loadFile(LoadRequest(key: key, node: request.node, channel: request.channel)) {
        if case .finished(let path) = event { return path }
      }
    } catch let error as KacheryError { throw error } catch {
      throw KacheryError(.internalError, "An unknown error came up.", cause: error)
    }
    throw KacheryError(.cancelled, "The node is stopping.")
  }

  /// The manifest of the file, as the request or else a node that has the file names it; nil where there is none.
  private func manifest(for request: ReadRequest) async throws(KacheryError) -> Manifest? {
    guard let named = await manifestHash(for: request) else { return nil }
    let hash = request.key.hash
    _ = try await load(FileKey(hash: named), request)
    return try await onPool { [store] () throws(KacheryError) in try store.manifest(for: hash, named: named) }
  }

  private func manifestHash(for request: ReadRequest) async -> ContentHash? {
    if let named = request.key.manifest { return named }
    for await found in findFile(FindFileRequest(key: request.key, timeout: .seconds(10))) {
      // A small file has none, and comes as a whole.
      guard found.size > Limits.manifestThreshold else { return nil }
      if let told = found.key.manifest { return told }
    }
    return nil
  }
}
