package import Primitives
package import Wire

/// Copies of files at members that relay files for others, so that a file can be loaded when the node that stored it is
/// off.
extension NodeCore {
  // MARK: Asking

  /// Asks the linked members that relay files over a channel to keep a copy.
  ///
  /// - Parameters:
  ///   - node: the only one to ask, whether it says that it relays or not; nil for any.
  ///   - topic: the only channel over which to ask; nil for any.
  package mutating func replicate(
    _ id: ReplicaID, _ hash: ContentHash, size: UInt64, at node: NodeID?, over topic: Topic?, at now: Timestamps
  ) {
    let links = node.map { node in peers.link(of: node).map { [$0] } ?? [] } ?? peers.preferred
    var asked: [NodeID] = []
    for link in links {
      guard let peer = peers.active(link),
        let shared = peer.proven.sorted().first(where: { shared in
          (topic == nil || topic == shared) && (node != nil || introductions.relays.isForData(peer.node, shared))
        }), let proof = proof(of: shared, on: link)
      else { continue }
      let number = replicas.add(id, to: peer.node, at: now.instant)
      emit(.link(.send(link, .replicate(ReplicaRequest(id: number, channel: proof, hash: hash, size: size)))))
      asked.append(peer.node)
    }
    emit(.replica(.asked(id, asked)))
  }

  /// The client is gone: answers are ignored from now on.
  package mutating func stopReplicating(_ id: ReplicaID) { replicas.remove(id) }

  mutating func take(_ answer: ReplicaAnswer, from peer: Peer) {
    guard let id = replicas.answered(answer, by: peer.node) else { return }
    emit(.replica(.answered(id, peer.node, answer.state, reason: answer.reason)))
  }

  mutating func wakeReplicas(at now: Timestamps) {
    for question in replicas.removeOverdue(at: now.instant) {
      fail(question, "it does not answer, perhaps because its version is older")
    }
  }

  /// The last link to the node has ended.
  mutating func failReplicas(at node: NodeID) {
    for question in replicas.remove(of: node) { fail(question, "the link to it was lost") }
  }

  private mutating func fail(_ question: ReplicaQuestions.Question, _ reason: String) {
    emit(.replica(.answered(question.id, question.node, .failed, reason: reason)))
  }

  // MARK: Keeping

  /// Passes the request on to the owner if this node relays files for the peer over the channel.
  mutating func answer(_ request: ReplicaRequest, of peer: Peer) {
    guard let topic = peer.topic(of: request.channel), membership.relays(for: peer, over: topic),
      membership.relayed(over: topic) == .everything
    else {
      return emit(.link(.send(peer.link, .replicated(ReplicaAnswer(id: request.id, .notAuthorized)))))
    }
    emit(.keepReplica(ReplicaOrder(node: peer.node, id: request.id, hash: request.hash, size: request.size)))
  }

  /// What has become of a copy that a peer has asked for.
  package mutating func replica(_ order: ReplicaOrder, is state: ReplicaAnswer.State, _ reason: String = "") {
    guard let link = peers.link(of: order.node) else { return }
    emit(.link(.send(link, .replicated(ReplicaAnswer(id: order.id, state, reason)))))
  }
}
