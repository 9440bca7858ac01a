import APIModel
import ContentStore
import LocalAPI
import Primitives

/// Ranges of files, loaded without the rest.
extension Node {
  func openRange(_ request: ReadRequest) async throws(KacheryError) -> any FileBytes {
    let hash = request.key.hash
    if let file = try await loop.onPool({ [store = storage.store] () throws(KacheryError) in try store.open(hash) }) {
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
        "Bytes \(request.start) to \(request.end ?? manifest.size) are outside the file of \(manifest.size) bytes.")
    }
    return RangeOfChunks(range, of: manifest, loop: loop) { key throws(KacheryError) in
      try await self.load(key, request)
    }
  }

  /// Loads a file; returns its path.
  func load(_ key: FileKey, _ request: ReadRequest) async throws(KacheryError) -> String {
    do {
      for try await event in loadFile(LoadRequest(key: key, node: request.node, channel: request.channel)) {
        if case .finished(let path) = event { return path }
      }
    } catch let error as KacheryError { throw error } catch {
      throw KacheryError(.internalError, "An unknown error occurred.", cause: error)
    }
    throw KacheryError(.cancelled, "The node is stopping.")
  }

  /// The manifest of the file, named by the request or else by a node that has the file; nil if the file is small or no
  /// node names one.
  func manifest(for request: ReadRequest) async throws(KacheryError) -> Manifest? {
    if let named = request.key.manifest { return try await manifest(named, for: request) }
    let query = try requests.query(request.key, node: request.node, channel: request.channel)
    var holders: [FoundFile] = []
    for await found in find(query, for: .seconds(10)) {
      // A small file has no manifest, and is loaded whole.
      guard found.size > Limits.manifestThreshold else { return nil }
      // A node may name something that is not this file's manifest, or that it does not have.
      if let named = found.key.manifest, let read = try? await manifest(named, for: request) { return read }
      holders.append(found)
    }
    for holder in holders where holder.key.manifest == nil {
      if let made = try await madeManifest(by: holder, for: request) { return made }
    }
    return nil
  }

  /// The manifest that the node makes, for which it must read the whole file.
  private func madeManifest(by holder: FoundFile, for request: ReadRequest) async throws(KacheryError) -> Manifest? {
    let query = try requests.query(request.key, node: holder.node, channel: request.channel, wantsManifest: true)
    for await found in find(query, for: Self.timeToMakeManifest(of: holder.size)) {
      if let named = found.key.manifest, let read = try? await manifest(named, for: request) { return read }
    }
    return nil
  }

  /// A timeout: as long as reading takes on a slow disk, but shorter than transferring the whole file.
  private static func timeToMakeManifest(of size: UInt64) -> Duration {
    min(.seconds(20) + .milliseconds(Int64(clamping: size / 50_000)), .seconds(3_600))
  }

  private func manifest(_ named: ContentHash, for request: ReadRequest) async throws(KacheryError) -> Manifest? {
    let hash = request.key.hash
    _ = try await load(FileKey(hash: named), request)
    return try await loop.onPool { [store = storage.store] () throws(KacheryError) in
      try store.manifest(for: hash, named: named)
    }
  }
}
