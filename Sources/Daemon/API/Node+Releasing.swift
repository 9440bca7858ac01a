import APIModel
import ContentStore
import Crypto
import EventLoop
import LocalAPI
import Primitives
import Transfer

/// Removing files that other members prove to hold.
///
/// From before the proof until the file is in the trash, this node does not serve it: a member that only passes on what
/// it gets from here proves nothing, and of two nodes that remove the same file at the same time neither takes the other
/// as its proof.
extension Node {
  /// Files that are proved at a time.
  private static let releasedAtOnce = 8
  /// How long members may take to say whether they have a file.
  private static let timeToFind: Duration = .seconds(5)

  func releaseFromStore(_ request: ReleaseRequest) -> AsyncThrowingStream<ReleaseEvent, any Error> {
    let (events, continuation) = AsyncThrowingStream<ReleaseEvent, any Error>.makeStream()
    let task = Task { await self.release(request, continuation) }
    continuation.onTermination = { _ in task.cancel() }
    return events
  }

  private func release(
    _ request: ReleaseRequest, _ continuation: AsyncThrowingStream<ReleaseEvent, any Error>.Continuation
  ) async {
    do {
      let (files, wanted) = try await filesToRelease(request)
      var rest = files[...]
      var (running, underway, released): (Int, UInt64, UInt64) = (0, 0, 0)
      await withTaskGroup(of: (event: ReleaseEvent, size: UInt64).self) { group in
        while true {
          while running < Self.releasedAtOnce, released + underway < wanted, !Task.isCancelled,
            let (hash, size) = rest.popFirst()
          {
            running += 1
            underway += size
            group.addTask { (await self.release(hash, request), size) }
          }
          guard let (event, size) = await group.next() else { break }
          running -= 1
          underway -= size
          if case .released = event { released += size }
          continuation.yield(event)
        }
      }
      continuation.yield(.finished)
      continuation.finish()
    } catch {
      continuation.finish(throwing: error)
    }
  }

  /// The files to release, in this order, and how many of their bytes.
  private func filesToRelease(
    _ request: ReleaseRequest
  ) async throws(KacheryError) -> (files: [(hash: ContentHash, size: UInt64)], wanted: UInt64) {
    if let hashes = request.hashes { return (hashes.map { ($0, 0) }, .max) }
    let excess = try await loop.onPool { [store = storage.store] () throws(KacheryError) in try store.excess() }
    return (excess.files.map { ($0.hash, $0.size) }, excess.bytes)
  }

  private func release(_ hash: ContentHash, _ request: ReleaseRequest) async -> ReleaseEvent {
    uploads.withhold(hash)
    defer { uploads.serveAgain(hash) }
    do throws(KacheryError) {
      let holder = try await holder(of: hash, countsThisMachine: request.countsThisMachine)
      let bytes = try await loop.onPool { [store = storage.store] () throws(KacheryError) in
        request.isPreview ? try store.sizeToRemove(hash) : try store.remove(hash)
      }
      if !request.isPreview { log.info("Moved \(hash) to the trash; \(holder) has proved to hold it.") }
      return .released(hash, bytes: bytes, holder, label: label(of: holder))
    } catch {
      return .kept(hash, error)
    }
  }

  /// A member that has proved to hold the file.
  ///
  /// - Throws: why there is none.
  private func holder(of hash: ContentHash, countsThisMachine: Bool) async throws(KacheryError) -> NodeID {
    let (size, parts) = try await loop.onPool { [store = storage.store] () throws(KacheryError) in
      try store.sample(hash) { size in
        var random = SecureRandom()
        return PossessionChallenge(ofFileWith: size, random: &random).ranges
      }
    }
    var reasons: [String] = []
    let query = try requests.query(FileKey(hash: hash))
    for await found in find(query, for: Self.timeToFind) where found.node != id {
      guard !Task.isCancelled else { throw KacheryError(.cancelled, "The file \(hash) stays: this was interrupted.") }
      if let reason = await reasonAgainst(found, size: size, countsThisMachine: countsThisMachine) {
        reasons.append("\(name(of: found.node)): \(reason)")
        continue
      }
      guard let source = driver.read({ $0.batchSources(node: found.node, topic: nil) }).first else {
        reasons.append("\(name(of: found.node)): it may not be asked")
        continue
      }
      let problem = await withCheckedContinuation { continuation in
        downloads.compare(parts, of: hash, with: source.peer, over: source.link) { continuation.resume(returning: $0) }
      }
      guard let problem else { return found.node }
      reasons.append("\(name(of: found.node)): \(problem.message)")
    }
    throw KacheryError(
      .notFound,
      reasons.isEmpty
        ? "The file \(hash) stays: no other member that is linked says that it has it."
        : "The file \(hash) stays: no other member has proved to hold it (\(reasons.joined(separator: "; "))).")
  }

  /// Why what this node holds does not count; nil if it does.
  private func reasonAgainst(_ found: FoundFile, size: UInt64, countsThisMachine: Bool) async -> String? {
    guard found.size == size else { return "it says that the file has \(found.size) bytes, not \(size)" }
    let isSharing = try? await loop.onPool { [store = storage.store] () throws(KacheryError) in
      store.isUsed(by: found.node)
    }
    guard isSharing == false else { return "it uses the same storage directory" }
    guard countsThisMachine || !isOnThisMachine(found.node) else { return "it is on this machine" }
    return nil
  }

  private func isOnThisMachine(_ node: NodeID) -> Bool {
    let own = NetworkInterface.all.map(\.address)
    let paths = driver.read(\.activePeers).first { $0.node == node }?.paths ?? []
    return paths.contains { path in
      guard let address = path.remote?.endpoint.flatMap({ IPAddress($0.host) }) else { return false }
      return address.scope == .loopback || own.contains(address)
    }
  }

  func label(of node: NodeID) -> String { driver.read(\.activePeers).first { $0.node == node }?.label ?? "" }

  private func name(of node: NodeID) -> String {
    let label = label(of: node)
    return label.isEmpty ? "\(node.hex.prefix(8))" : "\(label) (\(node.hex.prefix(8)))"
  }
}
