import ContentStore
import Diagnostics
import EventLoop
import NodeCore
import Primitives
import Threads
import Wire

/// Looks into the store for peers that ask for a file. Bound to the loop.
///
/// Peers may want a part of a large file that has no manifest here: it came from older software, or under its bare hash.
/// Their answer waits until the manifest is made.
final class FileLookups {
  /// The file with this hash while it is being received here.
  var arriving: (ContentHash) -> IncomingFile? = { _ in nil }
  /// Whether this node serves any file now.
  var serves: () -> Bool = { true }

  private let store: ContentStore
  private let driver: CoreDriver
  private let loop: EventLoop
  private let log: Log
  private let cancellation: CancellationToken
  private var manifests = ManifestQueue()

  /// - Parameter cancellation: ends the making of manifests.
  init(_ store: ContentStore, driver: CoreDriver, loop: EventLoop, log: Log, cancellation: CancellationToken) {
    self.store = store
    self.driver = driver
    self.loop = loop
    self.log = log
    self.cancellation = cancellation
  }

  /// Looks whether the store has the file, and answers the core by `lookedUp`.
  ///
  /// - Parameter wantsManifest: whether a large file without a manifest gets one first.
  func lookUp(_ lookup: LookupID, _ hash: ContentHash, wantsManifest: Bool) {
    let serves = serves()
    let arriving = serves ? arriving(hash) : nil
    loop.work { [store] in
      FindAnswer.Outcome(hash, in: store, arriving: arriving, serves: serves)
    } then: { [self] answer in
      if wantsManifest, awaitsManifest(lookup, hash, answer) { return }
      driver.input { core, _ in core.lookedUp(lookup, answer) }
    }
  }

  /// Has the answer to a peer wait until the file has a manifest; false if there is no reason to.
  private func awaitsManifest(_ lookup: LookupID, _ hash: ContentHash, _ answer: FindAnswer.Outcome) -> Bool {
    guard case .has(let file) = answer, file.isWhole, file.manifest == nil, file.size > Limits.manifestThreshold,
      manifests.add(hash, lookup)
    else { return false }
    makeNextManifest()
    return true
  }

  private func makeNextManifest() {
    guard let hash = manifests.begin() else { return }
    let made = loop.receiver { [self] outcome in manifestMade(hash, outcome) }
    do throws(KacheryError) {
      // Reading a large file takes minutes, and the pool's few threads are for what ends soon.
      try SystemThread.run(named: "manifests") { [store, cancellation] in
        made(Result { () throws(KacheryError) in try store.makeManifest(of: hash) { !cancellation.isCancelled } })
      }
    } catch {
      manifestMade(hash, .failure(error))
    }
  }

  private func manifestMade(_ hash: ContentHash, _ outcome: Result<Void, KacheryError>) {
    if case .failure(let error) = outcome { log.warning("Cannot make a manifest of \(hash): \(error.message)") }
    for lookup in manifests.end() { lookUp(lookup, hash, wantsManifest: false) }
    if !cancellation.isCancelled { makeNextManifest() }
  }
}

extension FindAnswer.Outcome {
  /// Looks into the store. Waits for the disk.
  fileprivate init(_ hash: ContentHash, in store: ContentStore, arriving: IncomingFile?, serves: Bool) {
    do throws(KacheryError) {
      guard let found = try store.find(hash) else {
        self = arriving?.share().map { .has(FindAnswer.File($0)) } ?? .refuses(Refusal(absence: hash, in: store))
        return
      }
      // Do not advertise a file that is never served: the peer would wait forever.
      self =
        serves
        ? .has(FindAnswer.File(size: found.size, manifest: store.knownManifest(of: found))) : .refuses(.limitReached)
    } catch {
      self = .refuses(Refusal(error))
    }
  }
}
