import EventLoop
import Primitives
import Synchronization

/// What the node does for its storage directory by itself.
struct StoreMaintenance {
  /// Ends long work on other threads early: they look at it now and then.
  final class CancellationToken: Sendable {
    private let value = Atomic<Bool>(false)

    func cancel() { value.store(true, ordering: .relaxed) }

    var isCancelled: Bool { value.load(ordering: .relaxed) }
  }

  /// One time that the limit was kept to.
  struct Collection: Sendable {
    /// Bytes that had come into the store.
    let grown: UInt64
    /// The limit in bytes.
    let limit: UInt64
    let time: Instant
  }

  /// Cancelled when the node stops.
  let cancellation = CancellationToken()
  let check = StoreCheck()
  var timer: Timer?
  /// What was known when the limit was last kept to.
  var lastCollection: Collection?
  var isCollecting = false
  /// What was last said of the limit and of kachery.yaml: it is not said again until it changes.
  var collectionProblem: String?
  var settingsProblem: String?
}
