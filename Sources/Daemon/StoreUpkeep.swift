import EventLoop
import Primitives
import Synchronization

/// What the node does for its storage directory by itself.
struct StoreUpkeep {
  /// False once the node stops: whoever goes through the whole directory looks here now and then.
  final class Flag: Sendable {
    private let value = Atomic<Bool>(true)

    func clear() { value.store(false, ordering: .relaxed) }

    var isSet: Bool { value.load(ordering: .relaxed) }
  }

  /// One time that the limit was kept to.
  struct Collection: Sendable {
    /// Bytes that had come into the store.
    let grown: UInt64
    /// The limit in bytes.
    let limit: UInt64
    let time: Instant
  }

  let isWanted = Flag()
  let check = StoreCheck()
  var timer: Timer?
  /// What was known when the limit was last kept to.
  var lastCollection: Collection?
  var isCollecting = false
  /// What was last said of the limit and of kachery.yaml: it is not said again until it changes.
  var collectionProblem: String?
  var settingsProblem: String?
}
