import Primitives
import TestSupport
import Testing
import Transfer

@Suite struct BatchSearchTests {
  private static func node(_ number: Int) -> NodeID {
    guard let node = NodeID(bytes: [UInt8](repeating: UInt8(number), count: NodeID.byteCount)) else {
      preconditionFailure("a node ID has \(NodeID.byteCount) bytes")
    }
    return node
  }

  private let one = BatchSearchTests.node(1)
  private let two = BatchSearchTests.node(2)

  @Test func filesThatOneNodeLacksAreRequestedFromTheNext() {
    var search = BatchSearch(files: 3, nodes: [one, two])
    let first = search.next(for: one, atMost: 10)
    let none = search.next(for: two, atMost: 10)
    #expect(first == [0, 1, 2])
    #expect(none.isEmpty)
    search.answered(0, by: one, .gave)
    search.answered(1, by: one, .hasNot)
    search.answered(2, by: one, .tooLarge)
    let second = search.next(for: two, atMost: 10)
    #expect(second == [1])
    search.answered(1, by: two, .hasNot)
    let outcomes = search.takeOutcomes()
    #expect(outcomes.map(\.file) == [0, 2, 1])
    #expect(outcomes.map(\.outcome) == [.arrived, .large, .nowhere])
    let more = search.takeOutcomes()
    #expect(more.isEmpty)
  }

  @Test func filesThatAreAddedComeAfterTheOthers() {
    var search = BatchSearch(files: 2, nodes: [one, two])
    search.add(2)
    let first = search.next(for: one, atMost: 3)
    #expect(first == [0, 1, 2])
    search.lost(one)
    search.lost(two)
    search.add(1)
    let outcomes = search.takeOutcomes()
    #expect(Set(outcomes.map(\.file)) == [0, 1, 2, 3, 4])
    #expect(outcomes.allSatisfy { $0.outcome == .nowhere })
  }

  @Test func withoutNodesEverythingIsNowhere() {
    var search = BatchSearch(files: 2, nodes: [])
    let outcomes = search.takeOutcomes()
    #expect(outcomes.map(\.outcome) == [.nowhere, .nowhere])
  }

  /// One of twenty nodes has the files: after a few answers hardly any other is asked.
  @Test func nodesThatHaveTheFilesAreAskedFirst() {
    let nodes = (1...20).map(Self.node)
    var search = BatchSearch(files: 5_000, nodes: nodes)
    var questions = 0
    var arrived = 0
    for _ in 0..<10_000 where arrived < 5_000 {
      for node in nodes {
        let files = search.next(for: node, atMost: 64)
        questions += files.count
        for file in files { search.answered(file, by: node, node == nodes[13] ? .gave : .hasNot) }
      }
      arrived += search.takeOutcomes().count { $0.outcome == .arrived }
    }
    #expect(arrived == 5_000)
    #expect(questions < 5_000 + 20 * 64 * 3, "\(questions) questions")
  }

  @Test func filesOfABannedNodeAreRequestedFromOthers() {
    var search = BatchSearch(files: 4, nodes: [one, two])
    _ = search.next(for: one, atMost: 10)
    search.answered(0, by: one, .misbehaved)
    let ofLiar = search.next(for: one, atMost: 10)
    let ofOther = search.next(for: two, atMost: 10)
    #expect(ofLiar.isEmpty)
    #expect(Set(ofOther) == [0, 1, 2, 3])
    // What the dishonest node sends afterwards counts only if it is right after all.
    let counts = [
      search.answered(1, by: one, .hasNot), search.answered(1, by: one, .gave), search.answered(1, by: two, .gave),
    ]
    #expect(counts == [false, true, false])
  }

  /// The only source sends everything and leaves before any of it is on the disk.
  @Test func receivedFilesStayWhenTheirSourceLeaves() {
    var search = BatchSearch(files: 2, nodes: [one])
    _ = search.next(for: one, atMost: 10)
    for file in 0..<2 { search.received(file, from: one) }
    search.lost(one)
    let early = search.takeOutcomes()
    #expect(early.isEmpty)
    let counts = search.answered(0, by: one, .gave)
    search.answered(1, by: one, .misbehaved)
    let outcomes = search.takeOutcomes()
    #expect(counts)
    #expect(outcomes.map(\.file) == [0, 1])
    #expect(outcomes.map(\.outcome) == [.arrived, .nowhere])
  }

  @Test func noMoreThanABoundIsAskedAhead() {
    var search = BatchSearch(files: 5_000, nodes: [one])
    var asked = 0
    for _ in 0..<100 { asked += search.next(for: one, atMost: 256).count }
    #expect(asked == BatchSearch.maximumAhead)
    #expect(search.outstanding(of: one) == asked)
  }

  /// Nodes that have some files each, send wrong bytes, or leave, in any order: every file ends exactly once, and
  /// arrives if an honest node that stays has it.
  @Test(arguments: 0..<300)
  func everyFileEndsOnce(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    let nodes = (1...random.number(1...8)).map(Self.node)
    let count = random.number(0...200)
    let holders = (0..<count).map { _ in nodes.filter { _ in random.chance(40) } }
    let leavers = Set(nodes.filter { _ in random.chance(20) })
    let liars = Set(nodes.filter { _ in random.chance(15) })
    var search = BatchSearch(files: count, nodes: nodes)
    var underway: [(file: Int, node: NodeID)] = []
    var ended: [Int: BatchSearch.Outcome] = [:]
    for step in 0..<20_000 where ended.count < count {
      let node = nodes[random.number(0...nodes.count - 1)]
      underway += search.next(for: node, atMost: random.number(1...32)).map { ($0, node) }
      if step > 20, let leaver = leavers.first(where: { _ in random.chance(5) }) { search.lost(leaver) }
      if !underway.isEmpty {
        let (file, node) = underway.remove(at: random.number(0...underway.count - 1))
        if holders[file].contains(node), random.chance(50) {
          // Its bytes have arrived; whether they are right is reported later, and the node may leave before that.
          search.received(file, from: node)
          if leavers.contains(node), random.chance(30) { search.lost(node) }
        }
        let answer: BatchSearch.Answer =
          !holders[file].contains(node) ? .hasNot : liars.contains(node) ? .misbehaved : .gave
        search.answered(file, by: node, answer)
      }
      for (file, outcome) in search.takeOutcomes() {
        #expect(ended[file] == nil, "seed \(seed): file \(file) ended twice")
        ended[file] = outcome
      }
    }
    #expect(ended.count == count, "seed \(seed)")
    for (file, holders) in holders.enumerated()
    where holders.contains(where: { !leavers.contains($0) && !liars.contains($0) }) {
      #expect(ended[file] == .arrived, "seed \(seed): file \(file)")
    }
  }
}
