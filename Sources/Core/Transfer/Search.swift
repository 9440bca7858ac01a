import Primitives

/// A question sent to peers, and the peers that have yet to answer it.
struct Search: Sendable {
  /// The owner of the answers.
  enum Owner: Hashable, Sendable {
    case find(FindID)
    case retrieval(ContentHash)
  }

  /// How often a search that waits for a meeting checks whether that is still under way.
  private static let waitingStep: Duration = .milliseconds(250)

  let owner: Owner
  /// The file that the client wants, which may be a part of the file asked for.
  let wanted: ContentHash
  let question: Question
  /// The offset of the wanted file in the file asked for.
  let offset: UInt64
  /// When to stop waiting for answers.
  let deadline: Instant
  /// Until when a peer may still appear, while there is none to ask.
  var grace: Instant
  /// Whether a node was lost that may return: then the grace applies even if others have been asked.
  var isAfterLoss: Bool
  var asked: Set<NodeID> = []
  /// The peers that have yet to answer, and the channel over which each was asked.
  var pending: [NodeID: Topic] = [:]

  /// Whether nothing more can be expected. While `expectsPeers`, a peer may still appear, but only over one of
  /// `topics`.
  func isOver(at now: Instant, expectsPeers: Bool, topics: Set<Topic>?) -> Bool {
    if now >= deadline { return true }
    guard pending.isEmpty else { return false }
    guard hasTopic(among: topics) else { return true }
    guard now < grace else { return true }
    return !isAfterLoss && !asked.isEmpty && !expectsPeers
  }

  /// Whether a peer may be asked over one of the joined channels.
  private func hasTopic(among topics: Set<Topic>?) -> Bool {
    guard let topics else { return true }
    return !topics.isEmpty && question.topic.map { topics.contains($0) } ?? true
  }

  /// Whether the search can wait for a peer that is about to appear.
  func mayWait(at now: Instant, topics: Set<Topic>?) -> Bool { now < deadline && hasTopic(among: topics) }

  /// Waits a little longer for a peer that is about to appear.
  mutating func wait(at now: Instant) { grace = max(grace, min(now + Self.waitingStep, deadline)) }

  /// Adds a peer that is asked; returns false if it was asked before.
  mutating func ask(_ peer: AskedPeer) -> Bool {
    guard asked.insert(peer.node).inserted else { return false }
    pending[peer.node] = peer.topic
    return true
  }

  /// The peer is gone: it may be asked again, and if it has not answered it may return in a moment.
  mutating func lose(_ peer: NodeID, at now: Instant) {
    asked.remove(peer)
    guard pending.removeValue(forKey: peer) != nil else { return }
    isAfterLoss = true
    grace = max(grace, now + TransferEngine.peerGrace)
  }

  /// The peer may no longer be asked over the channel over which it was: its answer is not awaited, and it may be asked
  /// over another one.
  mutating func withdraw(_ peer: NodeID) {
    asked.remove(peer)
    pending[peer] = nil
  }

  /// When it ends if nothing happens.
  var endsAt: Instant { pending.isEmpty ? min(grace, deadline) : deadline }
}
