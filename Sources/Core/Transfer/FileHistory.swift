package import Primitives
package import Wire

/// What the last attempts to find and load a file have shown: who was asked, who said what, and how each source was lost.
package struct FileHistory: Hashable, Sendable {
  /// What a node said when it was last asked for the file.
  package enum Answer: Hashable, Sendable {
    /// It was asked and has said nothing yet.
    case none
    case has(FindAnswer.File)
    case refused(Refusal)
  }

  /// How a node that had the file failed to give it.
  package enum Loss: Hashable, Sendable {
    case refused(Refusal)
    /// The link or the stream broke.
    case disconnected
    /// It gave nothing for as long as a source is waited for.
    case silent
    /// It gave bytes, or said something, that is not so.
    case misbehaved
  }

  /// Nodes remembered for one file; more say nothing new.
  static let maximumNodes = 64

  package private(set) var answers: [NodeID: Answer] = [:]
  /// Since the last load began; a lie is remembered for longer.
  package private(set) var losses: [NodeID: Loss] = [:]

  /// Nothing is known of the file.
  package init() {}

  /// Somebody wants the file: what is remembered of earlier answers no longer counts.
  mutating func beginSearch() { answers = [:] }

  /// A load begins anew.
  mutating func beginLoad() { losses = losses.filter { $0.value == .misbehaved } }

  mutating func noteAnswer(_ node: NodeID, _ answer: Answer) {
    guard answers[node] != nil || answers.count < Self.maximumNodes else { return }
    answers[node] = answer
  }

  mutating func noteLoss(_ node: NodeID, _ loss: Loss) {
    // A refusal does not undo an earlier offence.
    guard losses[node] != .misbehaved, losses[node] != nil || losses.count < Self.maximumNodes else { return }
    losses[node] = loss
  }

  /// The node has given a part of the file that is as it should be.
  mutating func noteGift(of node: NodeID) { if losses[node] != .misbehaved { losses[node] = nil } }

  mutating func forgive(_ isForgiven: (NodeID) -> Bool) {
    losses = losses.filter { $0.value != .misbehaved || !isForgiven($0.key) }
  }
}

/// The histories of the files that were wanted last.
struct TransferHistory: Sendable {
  /// Files remembered; the one that was wanted longest ago is forgotten first.
  static let capacity = 512

  private var files: [ContentHash: (history: FileHistory, use: UInt64)] = [:]
  private var uses: UInt64 = 0

  func file(_ hash: ContentHash) -> FileHistory? { files[hash]?.history }

  /// Changes what is remembered of a file.
  mutating func update(_ hash: ContentHash, _ change: (inout FileHistory) -> Void) {
    uses += 1
    if files[hash] == nil, files.count >= Self.capacity, let oldest = files.min(by: { $0.value.use < $1.value.use }) {
      files[oldest.key] = nil
    }
    files[hash, default: (FileHistory(), 0)].use = uses
    change(&files[hash, default: (FileHistory(), uses)].history)
  }
}
