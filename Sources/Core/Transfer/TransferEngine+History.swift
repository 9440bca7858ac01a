package import Primitives
package import Wire

extension TransferEngine {
  /// What the last attempts to find and load this file have shown; nil where there was none of late.
  package func history(of hash: ContentHash, at now: Instant) -> FileHistory? {
    guard var history = out.history.file(hash) else { return nil }
    // What a node is forgiven is not held against it here either.
    history.forgive { !out.bans.covers($0, hash, at: now) }
    return history
  }

  /// A node gave wrong bytes for a file of a batch.
  package mutating func misbehaved(_ node: NodeID, _ hash: ContentHash, at now: Instant) {
    out.bans.note(node, hash, at: now)
    out.history.update(hash) { $0.noteLoss(node, .misbehaved) }
  }

  /// A node does not give a file of a batch. That it is not there is worth a note only where something else was said before:
  /// a batch may ask for thousands of files.
  package mutating func refused(_ node: NodeID, _ hash: ContentHash, _ refusal: Refusal) {
    guard refusal != .notHere || out.history.file(hash) != nil else { return }
    out.history.update(hash) { $0.noteAnswer(node, .refused(refusal)) }
  }

  /// How a load of this file that is under way gets on; nil where there is none.
  package func progress(of hash: ContentHash, at now: Instant) -> LoadProgress? {
    retrievals[hash]?.progress(at: now) { node, manifest in
      retrievals[manifest]?.attempts.table.source(node)?.delay
    }
  }
}

/// A load that is under way, for a person.
package struct LoadProgress: Hashable, Sendable {
  /// Who gives.
  package struct Source: Hashable, Sendable {
    package let node: NodeID
    /// Nil before there is anything to go by.
    package let bytesPerSecond: Double?
    /// For how long it has given nothing although it was asked.
    package let silence: Duration
    /// Nil unless it serves others and gives nothing for now.
    package let wait: Wait?
  }

  /// A source's turn for this node has yet to come.
  package struct Wait: Hashable, Sendable {
    package let time: Duration
    /// Others that wait as well; nil where it refuses, and is asked again and again.
    package let others: UInt32?
  }

  /// Bytes that are here.
  package let loaded: UInt64
  /// Bytes in all; nil while that is not known.
  package let total: UInt64?
  package let sources: [Source]
}
