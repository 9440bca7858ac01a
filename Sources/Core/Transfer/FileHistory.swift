package import Primitives
package import Wire

/// The results of the latest attempts to find and load a file: which nodes were asked, their answers, and how each
/// source was lost.
package struct FileHistory: Hashable, Sendable {
  /// A node's latest answer about the file.
  package enum Answer: Hashable, Sendable {
    /// It was asked and has not answered.
    case none
    case has(FindAnswer.File)
    case refused(Refusal)
  }

  /// How a node that had the file failed to send it.
  package enum Loss: Hashable, Sendable {
    case refused(Refusal)
    /// The link or the stream broke.
    case disconnected
    /// It sent nothing until the timeout.
    case silent
    /// It sent wrong bytes or made a false claim.
    case misbehaved
  }

  /// Most nodes remembered for one file; more would add nothing.
  static let maximumNodes = 64

  package private(set) var answers: [NodeID: Answer] = [:]
  /// Since the last load began; misbehavior is remembered for longer.
  package private(set) var losses: [NodeID: Loss] = [:]

  /// Nothing is known about the file.
  package init() {}

  /// A new search begins: earlier answers no longer count.
  mutating func beginSearch() { answers = [:] }

  /// A new load begins.
  mutating func beginLoad() { losses = losses.filter { $0.value == .misbehaved } }

  mutating func noteAnswer(_ node: NodeID, _ answer: Answer) {
    guard answers[node] != nil || answers.count < Self.maximumNodes else { return }
    answers[node] = answer
  }

  mutating func noteLoss(_ node: NodeID, _ loss: Loss) {
    // A refusal does not clear earlier misbehavior.
    guard losses[node] != .misbehaved, losses[node] != nil || losses.count < Self.maximumNodes else { return }
    losses[node] = loss
  }

  /// The node sent a right part of the file.
  mutating func noteGift(of node: NodeID) { if losses[node] != .misbehaved { losses[node] = nil } }

  mutating func forgive(_ isForgiven: (NodeID) -> Bool) {
    losses = losses.filter { $0.value != .misbehaved || !isForgiven($0.key) }
  }
}

/// The histories of the most recently wanted files.
struct TransferHistory: Sendable {
  /// Most files remembered; the least recently wanted is forgotten first.
  static let capacity = 512

  private var files: [ContentHash: (history: FileHistory, use: UInt64)] = [:]
  private var uses: UInt64 = 0

  func file(_ hash: ContentHash) -> FileHistory? { files[hash]?.history }

  /// Updates the history of a file.
  mutating func update(_ hash: ContentHash, _ change: (inout FileHistory) -> Void) {
    uses += 1
    if files[hash] == nil, files.count >= Self.capacity, let oldest = files.min(by: { $0.value.use < $1.value.use }) {
      files[oldest.key] = nil
    }
    files[hash, default: (FileHistory(), 0)].use = uses
    change(&files[hash, default: (FileHistory(), uses)].history)
  }
}
