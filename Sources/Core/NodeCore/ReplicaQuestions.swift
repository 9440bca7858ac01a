package import Primitives
package import Wire

/// Identifies a client's request that other nodes keep copies of a file.
package struct ReplicaID: Hashable, Sendable {
  package let number: UInt64

  package init(number: UInt64) { self.number = number }
}

/// A copy that a peer asks this node to keep.
package struct ReplicaOrder: Hashable, Sendable {
  /// The peer.
  package let node: NodeID
  /// The number that the peer gave its request.
  package let id: UInt32
  package let hash: ContentHash
  /// Size of the file according to the peer, in bytes.
  package let size: UInt64

  package init(node: NodeID, id: UInt32, hash: ContentHash, size: UInt64) {
    self.node = node
    self.id = id
    self.hash = hash
    self.size = size
  }
}

/// What the core reports of copies at other nodes.
package enum ReplicaEffect: Sendable {
  /// These nodes are asked; each answers at least once.
  case asked(ReplicaID, [NodeID])
  case answered(ReplicaID, NodeID, ReplicaAnswer.State, reason: String)
}

/// The nodes that this one has asked to keep copies, and that have not given their last answer.
struct ReplicaQuestions: Sendable {
  /// How long a node may take to say anything. A node of an older version ignores the question.
  static let patience: Duration = .seconds(10)

  struct Question: Sendable {
    let id: ReplicaID
    let node: NodeID
    /// nil once the node has said that it is loading the file.
    var deadline: Instant?
  }

  private var questions: [UInt32: Question] = [:]
  private var lastNumber: UInt32 = 0

  /// When the next node has to answer.
  var wakeAt: Instant? { questions.values.compactMap(\.deadline).min() }

  /// - Returns: the number for the request.
  mutating func add(_ id: ReplicaID, to node: NodeID, at now: Instant) -> UInt32 {
    repeat { lastNumber &+= 1 } while questions[lastNumber] != nil
    questions[lastNumber] = Question(id: id, node: node, deadline: now + Self.patience)
    return lastNumber
  }

  /// - Returns: whose question it answers; nil if there is none, so that the answer is ignored.
  mutating func answered(_ answer: ReplicaAnswer, by node: NodeID) -> ReplicaID? {
    guard let question = questions[answer.id], question.node == node else { return nil }
    if answer.state == .loading { questions[answer.id]?.deadline = nil } else { questions[answer.id] = nil }
    return question.id
  }

  /// Removes the questions that were not answered in time.
  mutating func removeOverdue(at now: Instant) -> [Question] { remove { $0.deadline.map { $0 <= now } ?? false } }

  /// Removes the questions to a node whose last link has ended.
  mutating func remove(of node: NodeID) -> [Question] { remove { $0.node == node } }

  /// Removes the questions of a client that has left.
  mutating func remove(_ id: ReplicaID) { _ = remove { $0.id == id } }

  private mutating func remove(_ isGone: (Question) -> Bool) -> [Question] {
    let gone = questions.filter { isGone($0.value) }.sorted { $0.key < $1.key }
    for (number, _) in gone { questions[number] = nil }
    return gone.map(\.value)
  }
}
