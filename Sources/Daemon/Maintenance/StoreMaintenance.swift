import ContentStore
import Diagnostics
import EventLoop
import HTTP
import Primitives
import Settings

/// Automatic maintenance of the storage directory: completes the index, enforces the owner's limits, and verifies
/// files. Bound to the loop.
final class StoreMaintenance {
  private static let period: Duration = .seconds(60)
  /// The limit is checked after this many new bytes, or a twentieth of the limit if that is less: scanning a large
  /// directory takes seconds.
  private static let growthPerCollection: UInt64 = 1 << 30
  /// Commands without a daemon, and other nodes, store in the directory as well.
  private static let collectionPeriod: Duration = .seconds(3_600)

  /// The state at the last collection.
  private struct Collection: Sendable {
    /// Bytes added to the store until then.
    let grown: UInt64
    /// The limit in bytes.
    let limit: UInt64
    let time: Instant
  }

  /// Called with the new transfer limits.
  var onLimits: (TransferLimits) -> Void = { _ in }
  /// Called with the rules for proxies each time that they were read.
  var onProxies: (ProxyRules) -> Void = { _ in }
  /// Called each time with whether the router may be asked to lead a port to this node.
  var onPortMapping: (Bool) -> Void = { _ in }
  /// Called each time with the names to which introductions are limited; nil if they are not.
  var onIntroduced: ([String]?) -> Void = { _ in }
  /// Ends long work on other threads when the node stops.
  let cancellation = CancellationToken()

  private let store: ContentStore
  private let configuration: DaemonConfiguration
  private let loop: EventLoop
  private let log: Log
  private let check = StoreCheck()
  private let watch: SettingsWatch
  private let disk: DiskCheck
  /// Whether the stored files were listed since the start, or that has failed. Until then some are found more slowly.
  private(set) var hasListed = false
  private var limits: TransferLimits
  private var timer: Timer?
  private var lastCollection: Collection?
  private var isCollecting = false
  /// The last logged problem with the limit; repeated ones are not logged.
  private var collectionProblem: String?

  init(_ store: ContentStore, _ configuration: DaemonConfiguration, loop: EventLoop, log: Log) {
    self.store = store
    self.configuration = configuration
    self.loop = loop
    self.log = log
    watch = SettingsWatch(configuration.layers, log: log)
    disk = DiskCheck(folder: "\(configuration.storageDirectory)/kachery-node", loop: loop)
    limits = TransferLimits(configuration)
  }

  /// Completes the index in the background, and starts to enforce the limit.
  func start() {
    loop.work { [store, cancellation] in
      Result { () throws(KacheryError) in try store.completeIndex { !cancellation.isCancelled } }
    } then: { [self] result in
      hasListed = true
      if case .failure(let error) = result { log.warning("Cannot list the stored files: \(error.message)") }
      keepToLimit()
    }
    timer = loop.after(Self.period, repeating: Self.period) { [weak self] in self?.tick() }
  }

  private func tick() {
    loop.work { [store] in
      store.index?.flush()
    } then: { [self] in
      keepToLimit()
    }
    readLimits()
  }

  /// Reloads kachery.yaml, and says in the log what has changed.
  func reload(then: @escaping () -> Void) {
    readLimits(isAsked: true, then: then)
    lastCollection = nil
    keepToLimit()
  }

  /// Whether the disk takes a small file, or at least answers that it is full. Known within seconds.
  func isDiskAnswering(then: @escaping (Bool) -> Void) { disk.ask(then) }

  /// Verifies these files, or all. The stream ends early when the node stops.
  func verify(only: Set<ContentHash>?) -> StoreCheck.Messages {
    check.begin(store, only: only, loop: loop, cancellation: cancellation)
  }

  /// Stops all work, including that on other threads.
  func stop() {
    timer?.cancel()
    cancellation.cancel()
  }

  // MARK: The limits

  /// Applies kachery.yaml. A mistake in it is logged once, and what was set before stays in effect.
  ///
  /// - Parameter isAsked: whether the owner wants to know even that nothing has changed.
  func readLimits(isAsked: Bool = false, then: @escaping () -> Void = {}) {
    loop.work { [directory = configuration.storageDirectory] in
      Result { () throws(KacheryError) in try SettingsFile(in: directory) }
    } then: { [self] result in
      guard !cancellation.isCancelled else { return then() }
      apply(ReloadedSettings(watch.take(result, isAsked: isAsked)))
      then()
    }
  }

  private func apply(_ settings: ReloadedSettings) {
    onProxies(ProxyRules(configuration, settings))
    onPortMapping(configuration.allowsMapping(settings))
    onIntroduced(configuration.introduced(settings))
    let new = TransferLimits(configuration, settings)
    guard new != limits else { return }
    limits = new
    onLimits(new)
  }

  /// Every setting with its value.
  ///
  /// - Parameter actual: values that are known better than from the settings.
  func report(_ actual: [SettingName: String]) -> SettingsReport {
    watch.report(actual, file: "\(configuration.storageDirectory)/\(SettingsFile.name)")
  }

  private func keepToLimit() {
    guard !isCollecting, !cancellation.isCancelled else { return }
    isCollecting = true
    let (last, now) = (lastCollection, loop.now)
    loop.work { [store] in
      Result { () throws(KacheryError) in try Self.keepToLimit(of: store, after: last, now) }
    } then: { [self] result in
      isCollecting = false
      switch result {
      case .success(let collection):
        lastCollection = collection
        collectionProblem = nil
      // `readLimits` reports errors in kachery.yaml.
      case .failure(let error) where error.code == .badConfiguration: break
      case .failure(let error):
        guard collectionProblem != error.message else { return }
        collectionProblem = error.message
        log.warning("The storage limit cannot be met: \(error.message)")
      }
    }
  }

  private static func keepToLimit(
    of store: ContentStore, after last: Collection?, _ now: Instant
  ) throws(KacheryError) -> Collection? {
    guard let limit = try store.maximumBytes() else { return nil }
    let grown = store.bytesGrown
    if let last, last.limit == limit, now - last.time < collectionPeriod,
      grown - last.grown < min(growthPerCollection, limit / 20)
    {
      return last
    }
    _ = try store.collect()
    return Collection(grown: grown, limit: limit, time: now)
  }
}
