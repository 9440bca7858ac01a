import Primitives

/// A question put to peers, and who has yet to answer it.
struct Search: Sendable {
  /// Whom the answers are for.
  enum Owner: Hashable, Sendable {
    case find(FindID)
    case retrieval(ContentHash)
  }

  let owner: Owner
  /// What the client wants, which may be a part of the file asked for.
  let wanted: ContentHash
  let question: Question
  /// Where the wanted file begins in the file asked for.
  let offset: UInt64
  /// When no answer is waited for any longer.
  let deadline: Instant
  /// Until when a peer may still appear, while none is there to be asked.
  var grace: Instant
  /// Whether a node was lost that may come back: then the grace is waited for even if others have been asked.
  var isAfterLoss: Bool
  var asked: Set<NodeID> = []
  /// Who has yet to answer, and the channel over which each was asked.
  var pending: [NodeID: Topic] = [:]

  /// Whether nothing more can come of it. While `expectsPeers`, somebody may yet appear, if only over one of `topics`.
  func isOver(at now: Instant, expectsPeers: Bool, topics: Set<Topic>?) -> Bool {
    if now >= deadline { return true }
    guard pending.isEmpty else { return false }
    if let topics, topics.isEmpty || question.topic.map({ !topics.contains($0) }) ?? false { return true }
    guard now < grace else { return true }
    return !isAfterLoss && !asked.isEmpty && !expectsPeers
  }

  /// Puts the question to a peer; returns false if it has been asked before.
  mutating func ask(_ peer: AskedPeer) -> Bool {
    guard asked.insert(peer.node).inserted else { return false }
    pending[peer.node] = peer.topic
    return true
  }

  /// The peer is gone: it may be asked again, and if it has not answered it may be back in a moment.
  mutating func lose(_ peer: NodeID, at now: Instant) {
    asked.remove(peer)
    guard pending.removeValue(forKey: peer) != nil else { return }
    isAfterLoss = true
    grace = max(grace, now + TransferEngine.peerGrace)
  }

  /// When it ends if nothing happens.
  var endsAt: Instant { pending.isEmpty ? min(grace, deadline) : deadline }
}
