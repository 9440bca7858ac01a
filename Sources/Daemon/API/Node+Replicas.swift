import APIModel
import ContentStore
import LocalAPI
import Primitives
import Wire

/// Copies at other nodes, for clients.
extension Node {
  private typealias Events = AsyncThrowingStream<ReplicationEvent, any Error>

  /// How many files this node asks others to copy at a time: fewer than a node copies at a time for all that ask it.
  private static let replicatedAtOnce = 8

  func replicate(_ request: ReplicationRequest) -> AsyncThrowingStream<ReplicationEvent, any Error> {
    let (events, continuation) = Events.makeStream()
    let task = Task {
      do {
        let topic = try request.channel.map { name throws(KacheryError) in try self.requests.topic(name) }
        await self.replicate(request, over: topic, continuation)
        continuation.yield(.finished)
        continuation.finish()
      } catch {
        continuation.finish(throwing: error)
      }
    }
    continuation.onTermination = { _ in task.cancel() }
    return events
  }

  private func replicate(
    _ request: ReplicationRequest, over topic: Topic?, _ events: Events.Continuation
  ) async {
    var rest = request.hashes[...]
    await withTaskGroup(of: Void.self) { group in
      for _ in 0..<Self.replicatedAtOnce {
        if let hash = rest.popFirst() {
          group.addTask { await self.replicate(hash, at: request.node, over: topic, events) }
        }
      }
      while await group.next() != nil {
        guard !Task.isCancelled, let hash = rest.popFirst() else { continue }
        group.addTask { await self.replicate(hash, at: request.node, over: topic, events) }
      }
    }
  }

  /// Asks for copies of one file, and waits until one is kept by each node that is asked, or is not.
  private func replicate(
    _ hash: ContentHash, at node: NodeID?, over topic: Topic?, _ events: Events.Continuation
  ) async {
    do throws(KacheryError) {
      let file = try await loop.onPool { [store = storage.store] () throws(KacheryError) in try store.find(hash) }
      guard let file else {
        throw KacheryError(.notFound, "The file \(hash) is not here; store or load it before others keep a copy.")
      }
      let states = await states(of: hash, size: file.size, at: node, over: topic, events)
      guard !states.contains(.kept) else { return }
      throw states.isEmpty ? noReplicaNode(node) : KacheryError(.refusedByPeer, "No other node keeps \(hash).")
    } catch {
      events.yield(.failed(hash, error))
    }
  }

  /// Passes on what the nodes answer.
  ///
  /// - Returns: all their answers; none if no node was asked.
  private func states(
    of hash: ContentHash, size: UInt64, at node: NodeID?, over topic: Topic?, _ events: Events.Continuation
  ) async -> [ReplicaAnswer.State] {
    let (answers, answer) = AsyncStream<ReplicaAnswerOfNode>.makeStream()
    let observer = ReplicaRequests.Observer(
      answered: { answer.yield(ReplicaAnswerOfNode(node: $0, state: $1, reason: $2)) }, end: { answer.finish() })
    let id = replicaRequests.replicate(hash, size: size, at: node, over: topic, observer)
    var states: [ReplicaAnswer.State] = []
    for await given in answers {
      states.append(given.state)
      events.yield(
        .answer(hash, given.node, label: label(of: given.node), state: "\(given.state)", reason: given.reason))
    }
    replicaRequests.cancel(id)
    return states
  }

  private func noReplicaNode(_ node: NodeID?) -> KacheryError {
    guard let node else {
      return KacheryError(
        .noMemberOnline,
        "No member of this node's channels that keeps copies is linked: a node keeps them if it has joined a channel with "
          + "--data-proxy and its owner sets --replica-limit.")
    }
    return KacheryError(.noMemberOnline, "Node \(node.short) is not linked over a common channel.")
  }
}

/// What a node answers.
private struct ReplicaAnswerOfNode: Sendable {
  let node: NodeID
  let state: ReplicaAnswer.State
  let reason: String
}
