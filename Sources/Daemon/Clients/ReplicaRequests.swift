import EventLoop
import NodeCore
import Primitives
import Wire

/// Clients that want copies of their files at other nodes. Bound to the loop.
final class ReplicaRequests {
  /// What a client wants to know of one file.
  struct Observer {
    /// Each node that is asked answers at least once.
    let answered: (NodeID, ReplicaAnswer.State, _ reason: String) -> Void
    /// Every node has given its last answer, or the node stops. Called once, last.
    let end: () -> Void
  }

  private struct Request {
    let observer: Observer
    var open: Set<NodeID> = []
  }

  private let driver: CoreDriver
  private var requests: [ReplicaID: Request] = [:]
  private var lastNumber: UInt64 = 0

  init(driver: CoreDriver) { self.driver = driver }

  /// Asks for copies of a stored file.
  ///
  /// - Parameters:
  ///   - node: the only node to ask; nil for all that relay files.
  ///   - topic: the only channel over which to ask; nil for any.
  func replicate(
    _ hash: ContentHash, size: UInt64, at node: NodeID?, over topic: Topic?, _ observer: Observer
  ) -> ReplicaID {
    lastNumber += 1
    let id = ReplicaID(number: lastNumber)
    requests[id] = Request(observer: observer)
    driver.input { $0.replicate(id, hash, size: size, at: node, over: topic, at: $1) }
    return id
  }

  /// The client has left.
  func cancel(_ id: ReplicaID) {
    guard requests.removeValue(forKey: id) != nil else { return }
    driver.input { core, _ in core.stopReplicating(id) }
  }

  func perform(_ effect: ReplicaEffect) {
    switch effect {
    case .asked(let id, let nodes):
      requests[id]?.open = Set(nodes)
      endIfAnswered(id)
    case .answered(let id, let node, let state, let reason):
      requests[id]?.observer.answered(node, state, reason)
      if state != .loading { requests[id]?.open.remove(node) }
      endIfAnswered(id)
    }
  }

  private func endIfAnswered(_ id: ReplicaID) {
    guard let request = requests[id], request.open.isEmpty else { return }
    requests[id] = nil
    request.observer.end()
  }

  /// Ends every request.
  func stop() {
    for request in requests.values { request.observer.end() }
    requests = [:]
  }
}
