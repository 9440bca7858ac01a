import ContentStore
import Primitives
import Wire

extension Refusal {
  /// Why a file that the store does not find is not there.
  init(absence hash: ContentHash, in store: ContentStore) {
    self = store.brokenLinkTarget(hash) != nil ? .changed : store.hasSetAside(hash) ? .damaged : .notHere
  }

  /// Why a file that the store has cannot be given.
  init(_ error: KacheryError) {
    switch error.code {
    case .fileChanged: self = .changed
    case .hashMismatch: self = .damaged
    // It is being hashed again.
    case .alreadyRunning: self = .limitReached
    default: self = .unreadable
    }
  }
}
