import NodeCore
import Primitives
import Threads
import Wire

/// Manifests for peers that want a part of a large file which has none here: it came from older software, or under its
/// bare hash.
extension Node {
  /// Has the answer to a peer wait until the file has a manifest; says whether it does.
  func awaitsManifest(_ lookup: LookupID, _ hash: ContentHash, _ answer: FindAnswer.Outcome) -> Bool {
    guard case .has(let file) = answer, file.isWhole, file.manifest == nil, file.size > Limits.manifestThreshold,
      manifests.add(hash, lookup)
    else { return false }
    makeNextManifest()
    return true
  }

  private func makeNextManifest() {
    guard let hash = manifests.begin() else { return }
    let cancellation = maintenance.cancellation
    do throws(KacheryError) {
      // Reading a large file takes minutes, and the pool's few threads are for what ends soon. Room for the work and for the
      // lane's own end.
      try WorkerThread(depth: 2).add { [store] in
        let outcome = Result { () throws(KacheryError) in
          try store.makeManifest(of: hash) { !cancellation.isCancelled }
        }
        Task { await self.manifestMade(hash, outcome) }
      }
    } catch {
      manifestMade(hash, .failure(error))
    }
  }

  private func manifestMade(_ hash: ContentHash, _ outcome: Result<Void, KacheryError>) {
    if case .failure(let error) = outcome { log.warning("The file \(hash) gets no manifest: \(error.message)") }
    for lookup in manifests.end() { lookUp(lookup, hash, wantsManifest: false) }
    if !isStopping { makeNextManifest() }
  }
}
