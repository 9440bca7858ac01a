import NodeCore
import Primitives
import Wire

extension SimNode {
  /// Asks others for a copy of a file.
  func replicate(_ key: FileKey, at node: NodeID? = nil, over topic: Topic? = nil) {
    let size = UInt64(store.files[key.hash]?.count ?? 0)
    input { $0.replicate(ReplicaID(number: 1), key.hash, size: size, at: node, over: topic, at: $1) }
  }

  /// Another node asks for a copy here.
  func keep(_ order: ReplicaOrder) {
    replicaOrders.append(order)
    answer(order, replicaAnswers[...])
  }

  private func answer(_ order: ReplicaOrder, _ states: ArraySlice<ReplicaAnswer.State>) {
    guard let state = states.first else { return }
    soon { node in
      node.input { core, _ in core.replica(order, is: state, "because") }
      node.answer(order, states.dropFirst())
    }
  }

  /// What each node has answered, in order.
  var replicaAnswersByNode: [NodeID: [ReplicaAnswer.State]] {
    var answers: [NodeID: [ReplicaAnswer.State]] = [:]
    for case .answered(_, let node, let state, _) in replicaEffects { answers[node, default: []].append(state) }
    return answers
  }

  /// The nodes that were asked.
  var nodesAskedForReplicas: [NodeID] {
    replicaEffects.flatMap { effect -> [NodeID] in if case .asked(_, let nodes) = effect { nodes } else { [] } }
  }
}
