import Primitives
import Synchronization

/// The current activity in a store, shared by all its copies in this process.
final class StoreActivity: Sendable {
  private struct State {
    var readers: [ContentHash: Int] = [:]
    var brokenLinks: Set<ContentHash> = []
    /// When the full disk was reported last, in seconds since 1970.
    var fullDisk: Int64?
  }

  /// How long a full disk is not reported again, in seconds.
  private static let quietAboutFullDisk: Int64 = 600
  /// Most broken links remembered as reported: bounds memory.
  private static let maximumBrokenLinks = 10_000

  private let state = Mutex(State())
  private let grown = Atomic<UInt64>(0)
  private let isEnding = Atomic<Bool>(false)

  /// Records that a reader opened a file.
  func beginReading(_ hash: ContentHash) { state.withLock { $0.readers[hash, default: 0] += 1 } }

  /// Records that a reader closed the file.
  func endReading(_ hash: ContentHash) {
    state.withLock { state in
      guard let count = state.readers[hash] else { return }
      state.readers[hash] = count > 1 ? count - 1 : nil
    }
  }

  /// Whether the file is being read.
  func isRead(_ hash: ContentHash) -> Bool { state.withLock { $0.readers[hash] != nil } }

  /// Records that a link is broken. Returns whether that is news, so that peers who ask repeatedly cannot fill the log.
  func isNews(brokenLink hash: ContentHash) -> Bool {
    state.withLock { state in
      if state.brokenLinks.count >= Self.maximumBrokenLinks { state.brokenLinks = [] }
      return state.brokenLinks.insert(hash).inserted
    }
  }

  /// Records that the disk is full, at a time in seconds since 1970. Returns whether it has not been reported for some
  /// minutes.
  func isNews(fullDiskAt now: Int64) -> Bool {
    state.withLock { state in
      if let last = state.fullDisk, (last...last + Self.quietAboutFullDisk).contains(now) { return false }
      state.fullDisk = now
      return true
    }
  }

  /// Records that a link was made or is whole again.
  func forget(brokenLink hash: ContentHash) { state.withLock { _ = $0.brokenLinks.remove(hash) } }

  /// Cancels reading whole files for their hashes.
  func end() { isEnding.store(true, ordering: .relaxed) }

  /// - Throws: `cancelled` once the process is ending. Call it for each block of a file that may take minutes.
  func requireTime() throws(KacheryError) {
    guard !isEnding.load(ordering: .relaxed) else {
      throw KacheryError(.cancelled, "The node is stopping; do this again once it runs.")
    }
  }

  /// Adds to the bytes that were stored.
  func grew(by bytes: UInt64) { grown.wrappingAdd(bytes, ordering: .relaxed) }

  /// Bytes stored since the process started.
  var bytesGrown: UInt64 { grown.load(ordering: .relaxed) }
}

/// A file being read; ends at the latest when it is released.
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

  /// Ends reading. Idempotent.
  func end() {
    if !hasEnded.exchange(true, ordering: .relaxed) { activity.endReading(hash) }
  }
}
