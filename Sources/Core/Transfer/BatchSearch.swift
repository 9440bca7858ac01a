package import Primitives

/// Which of many small files is asked of which node, until each has come or nobody is left to ask.
///
/// Asking is searching: a node that has a file gives it, one that has not says so. Nodes that have had what they were asked
/// for are asked first, so most files are asked for once even where only one of many nodes has them.
package struct BatchSearch: Sendable {
  /// What became of a file.
  package enum Outcome: Hashable, Sendable {
    case arrived
    /// Every node has been asked, and none has it.
    case nowhere
    /// It is too large for a batch.
    case large
  }

  /// What a node made of a question.
  package enum Answer: Hashable, Sendable {
    case gave
    case hasNot
    case tooLarge
    /// The bytes have another hash.
    case lied
  }

  /// Nodes that are asked at most: a bit for each of them is kept with every file.
  package static let maximumNodes = 64
  /// Files asked of one node that it has not answered.
  package static let maximumAhead = 2_048

  private struct Node {
    let id: NodeID
    var asked = 0
    var gave = 0
    var outstanding: Set<Int> = []
    var isGone = false

    /// From 0 to 4, so that nodes that have about as much count as equal; 2 before anything is known.
    var rank: Int { (gave * 4 + 4) / (asked + 2) }
  }

  private var nodes: [Node]
  /// For each file a bit for each node that has been asked.
  private var tried: [UInt64]
  private var isEnded: [Bool]
  /// Files that wait to be asked for, the next one last.
  private var waiting: [Int]
  /// Files whose bytes have come and are not on the disk yet: whoever gave them may go.
  private var held: Set<Int> = []
  private var outcomes: [(Int, Outcome)] = []

  /// A search for so many files among these nodes, of which the first 64 count.
  package init(files: Int = 0, nodes: [NodeID]) {
    self.nodes = nodes.prefix(Self.maximumNodes).map { Node(id: $0) }
    tried = []
    isEnded = []
    waiting = []
    add(files)
  }

  /// Looks for so many more files; their indices follow those of the files before.
  package mutating func add(_ files: Int) {
    let new = tried.count..<tried.count + files
    tried += Array(repeating: 0, count: files)
    isEnded += Array(repeating: false, count: files)
    waiting.insert(contentsOf: new.reversed(), at: 0)
    settle()
  }

  /// The files whose outcome has become known since the last call.
  package mutating func takeOutcomes() -> [(file: Int, outcome: Outcome)] {
    defer { outcomes = [] }
    return outcomes
  }

  /// Which files to ask this node for now, at most `count`.
  package mutating func next(for id: NodeID, atMost count: Int) -> [Int] {
    guard let place = place(of: id), !nodes[place].isGone else { return [] }
    let room = min(count, Self.maximumAhead - nodes[place].outstanding.count)
    guard room > 0 else { return [] }
    let better = betterNodes(than: place)
    var taken: [Int] = []
    var passed: [Int] = []
    while taken.count < room, let file = waiting.popLast() {
      // A file waits for a node that is more likely to have it.
      let isFor = tried[file] & bit(place) == 0 && better & ~tried[file] == 0
      if isFor { taken.append(file) } else { passed.append(file) }
    }
    waiting += passed.reversed()
    for file in taken {
      tried[file] |= bit(place)
      nodes[place].outstanding.insert(file)
    }
    return taken
  }

  /// The bytes of a file that the node was asked for have come; `answered` will say what they were worth.
  package mutating func received(_ file: Int, from id: NodeID) {
    guard let place = place(of: id), nodes[place].outstanding.remove(file) != nil else { return }
    held.insert(file)
  }

  /// The node has answered for a file that it was asked for.
  ///
  /// - Returns: whether that counts: a file may have come from another node meanwhile.
  @discardableResult
  package mutating func answered(_ file: Int, by id: NodeID, _ answer: Answer) -> Bool {
    guard let place = place(of: id) else { return false }
    let wasAsked = nodes[place].outstanding.remove(file) != nil || held.remove(file) != nil
    if wasAsked { nodes[place].asked += 1 }
    guard !isEnded[file] else { return false }
    switch answer {
    case .gave, .tooLarge:
      nodes[place].gave += 1
      // What has come has come, even if the node was lost before it lay on the disk.
      if !wasAsked { waiting.removeAll { $0 == file } }
      end(file, answer == .gave ? .arrived : .large)
      return true
    case .hasNot, .lied:
      if wasAsked { giveBack(file) }
      if answer == .lied { lost(id) }
      return wasAsked
    }
  }

  /// The node is gone, or is not to be asked any more.
  package mutating func lost(_ id: NodeID) {
    guard let place = place(of: id), !nodes[place].isGone else { return }
    nodes[place].isGone = true
    let files = nodes[place].outstanding.sorted(by: >)
    nodes[place].outstanding = []
    for file in files { giveBack(file) }
    settle()
  }

  /// The files that the node has been asked for and has not answered.
  package func outstanding(of id: NodeID) -> Int { place(of: id).map { nodes[$0].outstanding.count } ?? 0 }

  private mutating func giveBack(_ file: Int) {
    guard !isEnded[file] else { return }
    if untried(file) == 0 { end(file, .nowhere) } else { waiting.append(file) }
  }

  private mutating func end(_ file: Int, _ outcome: Outcome) {
    guard !isEnded[file] else { return }
    isEnded[file] = true
    outcomes.append((file, outcome))
  }

  /// Ends the files that nobody is left to be asked for.
  private mutating func settle() {
    let present = waiting
    waiting = present.filter { untried($0) != 0 }
    for file in present.reversed() where untried(file) == 0 { end(file, .nowhere) }
  }

  private func untried(_ file: Int) -> UInt64 {
    nodes.indices.reduce(0) { nodes[$1].isGone ? $0 : $0 | bit($1) } & ~tried[file]
  }

  private func betterNodes(than place: Int) -> UInt64 {
    let rank = nodes[place].rank
    return nodes.indices.reduce(0) { !nodes[$1].isGone && nodes[$1].rank > rank ? $0 | bit($1) : $0 }
  }

  private func bit(_ place: Int) -> UInt64 { 1 << UInt64(place) }

  private func place(of id: NodeID) -> Int? { nodes.firstIndex { $0.id == id } }
}
