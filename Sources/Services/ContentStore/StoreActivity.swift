import Primitives
import Synchronization

/// What goes on in a store at the moment, shared by all its copies in this process.
final class StoreActivity: Sendable {
  private struct State {
    var readers: [ContentHash: Int] = [:]
    var brokenLinks: Set<ContentHash> = []
  }

  /// Links whose end was reported, at most: a bound on memory.
  private static let maximumBrokenLinks = 10_000

  private let state = Mutex(State())
  private let grown = Atomic<UInt64>(0)
  private let isEnding = Atomic<Bool>(false)

  /// Somebody begins to read a file.
  func beginReading(_ hash: ContentHash) { state.withLock { $0.readers[hash, default: 0] += 1 } }

  /// The reader that had begun has ended.
  func endReading(_ hash: ContentHash) {
    state.withLock { state in
      guard let count = state.readers[hash] else { return }
      state.readers[hash] = count > 1 ? count - 1 : nil
    }
  }

  /// Whether somebody reads the file now.
  func isRead(_ hash: ContentHash) -> Bool { state.withLock { $0.readers[hash] != nil } }

  /// A link was found broken. Says whether that is news, so that strangers who ask again and again fill no log.
  func isNews(brokenLink hash: ContentHash) -> Bool {
    state.withLock { state in
      if state.brokenLinks.count >= Self.maximumBrokenLinks { state.brokenLinks = [] }
      return state.brokenLinks.insert(hash).inserted
    }
  }

  /// A link was made or is whole again.
  func forget(brokenLink hash: ContentHash) { state.withLock { _ = $0.brokenLinks.remove(hash) } }

  /// Whoever reads a whole file for its hash shall give up.
  func end() { isEnding.store(true, ordering: .relaxed) }

  /// - Throws: `cancelled` once the process ends. To be called for each block of a file that may take minutes.
  func requireTime() throws(KacheryError) {
    guard !isEnding.load(ordering: .relaxed) else {
      throw KacheryError(.cancelled, "The node is stopping; do this again once it runs.")
    }
  }

  /// So many bytes have come.
  func grew(by bytes: UInt64) { grown.wrappingAdd(bytes, ordering: .relaxed) }

  /// The bytes that have come since the process began.
  var bytesGrown: UInt64 { grown.load(ordering: .relaxed) }
}

/// A file being read; ends with the object at the latest.
final class FileUse: Sendable {
  private let hash: ContentHash
  private let activity: StoreActivity
  private let hasEnded = Atomic<Bool>(false)

  init(_ hash: ContentHash, _ activity: StoreActivity) {
    self.hash = hash
    self.activity = activity
    activity.beginReading(hash)
  }

  deinit { end() }

  /// The file is read no more; does nothing the second time.
  func end() {
    if !hasEnded.exchange(true, ordering: .relaxed) { activity.endReading(hash) }
  }
}
