package import Primitives
package import Wire

extension TransferEngine {
  /// The results of the latest attempts to find and load this file; nil if there were none recently.
  package func history(of hash: ContentHash, at now: Instant) -> FileHistory? {
    guard var history = out.history.file(hash) else { return nil }
    // Misbehavior counts only as long as the node is banned.
    history.forgive { !out.bans.covers($0, hash, at: now) }
    return history
  }

  /// A node sent wrong bytes for a file of a batch.
  package mutating func misbehaved(_ node: NodeID, _ hash: ContentHash, at now: Instant) {
    out.bans.note(node, hash, at: now)
    out.history.update(hash) { $0.noteLoss(node, .misbehaved) }
  }

  /// A node does not send a file of a batch. That the file is not there is recorded only if the node said otherwise
  /// before: a batch may request thousands of files.
  package mutating func refused(_ node: NodeID, _ hash: ContentHash, _ refusal: Refusal) {
    guard refusal != .notHere || out.history.file(hash) != nil else { return }
    out.history.update(hash) { $0.noteAnswer(node, .refused(refusal)) }
  }

  /// The progress of a running load of this file; nil if there is none.
  package func progress(of hash: ContentHash, at now: Instant) -> LoadProgress? {
    retrievals[hash]?.progress(at: now) { node, manifest in
      retrievals[manifest]?.attempts.table.source(node)?.delay
    }
  }
}

/// A running load, for people.
package struct LoadProgress: Hashable, Sendable {
  /// A node that is sending.
  package struct Source: Hashable, Sendable {
    package let node: NodeID
    /// Nil if unknown.
    package let bytesPerSecond: Double?
    /// How long it has sent nothing although it was asked.
    package let silence: Duration
    /// Nil unless it serves others and sends nothing for now.
    package let wait: Wait?
  }

  /// A source at which this node waits for its turn.
  package struct Wait: Hashable, Sendable {
    package let time: Duration
    /// Other nodes that wait as well; nil if it refuses, and is asked repeatedly.
    package let others: UInt32?
  }

  /// Bytes that have arrived.
  package let loaded: UInt64
  /// Total bytes; nil if unknown.
  package let total: UInt64?
  package let sources: [Source]
}
