import Crypto
import Discovery
import Primitives
import Wire

/// Chooses which members to dial when there are more than this node may dial: by what was proved, then by turns among
/// those that have introduced them, then at random; never in an order that a peer which invents members can choose.
struct MemberChoice: Sendable {
  /// The most nodes about which anything is remembered.
  private static let capacity = 4_096

  private struct Candidate {
    let entry: PresenceTable.Entry
    /// Smaller for what was proved, larger for what was tried in vain.
    let rank: Int
    let hash: UInt64
    var turn = 0
  }

  /// Nodes that were linked.
  private var met: Set<NodeID> = []
  /// How often each node was dialed in vain since it was last linked.
  private var failures: [NodeID: Int] = [:]
  private let salt: [UInt8]

  /// - Parameter random: makes the order one that others cannot foresee.
  init(random: inout some RandomNumberGenerator) {
    salt = (0..<16).map { _ in UInt8.random(in: 0...255, using: &random) }
  }

  /// The node is linked.
  mutating func linked(_ node: NodeID) {
    failures[node] = nil
    if met.count < Self.capacity { met.insert(node) }
  }

  /// The node is no longer dialed, after this many rounds in vain.
  mutating func gaveUp(_ node: NodeID, after rounds: Int) {
    guard rounds > 0, failures[node] != nil || failures.count < Self.capacity else { return }
    failures[node] = rounds
  }

  /// The members in the order in which they should be dialed.
  ///
  /// - Parameters:
  ///   - members: each with the node that has introduced it.
  ///   - rounds: how often a node is being dialed in vain.
  func ordered(_ members: [PresenceTable.Entry], failing rounds: (NodeID) -> Int) -> [PresenceRecord] {
    var candidates = members.map { entry in
      let node = entry.record.node
      let failures = max(self.failures[node] ?? 0, rounds(node))
      let rank = met.contains(node) ? 0 : 1 + min(failures, 8)
      return Candidate(entry: entry, rank: rank, hash: hash(of: node))
    }
    candidates.sort { ($0.rank, $0.hash) < ($1.rank, $1.hash) }
    // Each introducer's members take turns with those of the others.
    var turns: [NodeID: Int] = [:]
    for place in candidates.indices {
      let introducer = candidates[place].entry.introducer
      candidates[place].turn = turns[introducer] ?? 0
      turns[introducer, default: 0] += 1
    }
    candidates.sort { ($0.rank, $0.turn, $0.hash) < ($1.rank, $1.turn, $1.hash) }
    return candidates.map(\.entry.record)
  }

  private func hash(of node: NodeID) -> UInt64 {
    SHA256Digest.of(salt + node.bytes).prefix(8).reduce(0) { $0 << 8 | UInt64($1) }
  }
}
