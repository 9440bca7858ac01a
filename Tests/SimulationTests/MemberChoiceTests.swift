import Crypto
import Discovery
import Primitives
import TestSupport
import Testing
import Wire

@testable import NodeCore

/// `MemberChoice`: whom to dial if there are more members than links that may be opened.
@Suite struct MemberChoiceTests {
  private let topic = ChannelSecret(name: "lab").topic
  private let now = WallTime(milliseconds: 1_000_000_000)

  /// Members, each introduced by one of these nodes.
  private func entries(_ introducers: [(NodeID?, count: Int)]) throws -> [PresenceTable.Entry] {
    var table = PresenceTable()
    for (introducer, count) in introducers {
      for _ in 0..<count {
        let key = try SigningKey.generate()
        let record = PresenceRecord(
          node: key.publicKey, topic: topic, addresses: [], issued: now, expires: now + .seconds(60)
        ).signed(with: key)
        _ = table.admit(record, by: introducer ?? key.publicKey, from: .unknown, at: now)
      }
    }
    return table.entries(of: topic, except: .filled(with: 0), at: now)
  }

  private func choice(seed: UInt64) -> MemberChoice {
    var random = SeededRandom(seed: seed)
    return MemberChoice(random: &random)
  }

  /// One member invents six hundred others: those whom others introduce are dialed nevertheless.
  @Test func whoInventsMembersGetsItsTurnsOnly() throws {
    let (liar, friend) = (NodeID.filled(with: 1), NodeID.filled(with: 2))
    let members = try entries([(liar, 600), (friend, 40), (nil, 10)])
    let chosen = choice(seed: 1).ordered(members) { _ in 0 }.prefix(512)
    let introducers = Dictionary(uniqueKeysWithValues: members.map { ($0.record.node, $0.introducer) })
    #expect(chosen.count { introducers[$0.node] == friend } == 40)
    #expect(chosen.count { introducers[$0.node] == $0.node } == 10)
    #expect(Set(chosen.map(\.node)).count == 512)
  }

  /// Those that were linked come first, those that were dialed in vain last.
  @Test func whatWasProvedCounts() throws {
    let members = try entries([(NodeID.filled(with: 1), 100)])
    let nodes = members.map(\.record.node)
    var choice = choice(seed: 1)
    for node in nodes[90...] { choice.linked(node) }
    for node in nodes[..<20] { choice.gaveUp(node, after: 3) }
    let order = choice.ordered(members) { nodes[20..<30].contains($0) ? 1 : 0 }.map(\.node)
    #expect(Set(order.prefix(10)) == Set(nodes[90...]))
    #expect(Set(order.suffix(20)) == Set(nodes[..<20]))
    #expect(Set(order.suffix(30)) == Set(nodes[..<30]))
    choice.linked(nodes[0])
    #expect(choice.ordered(members) { _ in 0 }.prefix(11).contains { $0.node == nodes[0] })
  }

  /// Nobody can choose an ID that is dialed first.
  @Test func theOrderDiffersFromNodeToNode() throws {
    let members = try entries([(NodeID.filled(with: 1), 100)])
    let orders = (0..<3).map { seed in choice(seed: seed).ordered(members) { _ in 0 }.map(\.node) }
    #expect(Set(orders).count == 3)
    #expect(orders[0] == choice(seed: 0).ordered(members) { _ in 0 }.map(\.node))
  }
}
