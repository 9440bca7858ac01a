package import Primitives

/// Decides which of many small files is requested from which node, until each has arrived or no node is left to ask.
///
/// Requests double as search: a node that has a file sends it, one that does not says so. Nodes that had the requested
/// files are asked first, so most files are requested only once even if only one of many nodes has them. A file may be
/// shared: then several nodes are asked for it concurrently.
package struct BatchSearch: Sendable {
  /// The outcome of a file.
  package enum Outcome: Hashable, Sendable {
    case arrived
    /// Every node was asked, and none has it.
    case nowhere
    /// It is too large for a batch.
    case large
  }

  /// A node's answer to a request.
  package enum Answer: Hashable, Sendable {
    case gave
    case hasNot
    case tooLarge
    /// The bytes have another hash.
    case misbehaved
  }

  /// Most nodes that are asked: each file stores a bit for each of them.
  package static let maximumNodes = NodeSet.capacity
  /// Most unanswered files of one node.
  package static let maximumAhead = 2_048

  private enum Presence {
    case present
    /// Lost, but it may return and is then asked again.
    case away
    case gone
  }

  private struct Node {
    let id: NodeID
    var asked = 0
    var gave = 0
    var outstanding: Set<Int> = []
    var presence = Presence.present
    /// Whether a file waits for this node instead of going to one that is less likely to have it.
    var isWaitedFor = true
    /// From 0 to 4, so that nodes with similar hit rates count as equal; 2 before anything is known.
    var rank: Int { min(4, (gave * 4 + 4) / (asked + 2)) }
  }

  private struct File {
    /// Nodes that are being asked, or have answered.
    var tried = NodeSet()
    /// Nodes that are being asked: they have not answered, or their bytes are not checked yet.
    var asked = NodeSet()
    /// How many may be asked concurrently.
    var allowed = 1
    var isEnded = false
    var isShared = false
  }

  private var nodes: [Node] = []
  private var places: [NodeID: Int] = [:]
  private var files: [File] = []
  /// Files that no node is asked for; the next one is last. Files that have ended meanwhile are skipped.
  private var waiting: [Int] = []
  /// Files that more nodes may be asked for.
  private var shared: [Int] = []
  private var outcomes: [(Int, Outcome)] = []
  /// Nodes that can be asked, or may return.
  private var hopeful = NodeSet()
  /// Nodes that have sent files recently.
  private var productive = NodeSet()
  /// Nodes that files wait for, by rank.
  private var waitedFor = [NodeSet](repeating: NodeSet(), count: 5)
  /// Files that a node skips if better nodes may take them first.
  private static let maximumPassed = 1_024

  /// A search for this number of files. It asks only the first `maximumNodes` of the nodes.
  package init(files: Int = 0, nodes: [NodeID] = []) {
    for node in nodes { add(node) }
    add(files)
  }

  /// Adds `count` files; their indices follow those of earlier files.
  package mutating func add(_ count: Int) {
    let new = files.count..<files.count + count
    files += Array(repeating: File(), count: count)
    waiting.insert(contentsOf: new.reversed(), at: 0)
    settle()
  }

  /// The files whose outcome has become known since the last call.
  package mutating func takeOutcomes() -> [(file: Int, outcome: Outcome)] {
    defer { outcomes = [] }
    return outcomes
  }

  // MARK: Nodes

  /// Another node may be asked, or a lost one has returned. Returns false if there is no place for it.
  @discardableResult
  package mutating func add(_ id: NodeID) -> Bool {
    if let place = places[id] {
      nodes[place].presence = .present
    } else {
      guard nodes.count < Self.maximumNodes else { return false }
      places[id] = nodes.count
      nodes.append(Node(id: id))
    }
    update(places[id] ?? 0)
    for file in files.indices where files[file].asked.count < files[file].allowed { share(file) }
    return true
  }

  /// The node is lost: it may return, or (`mayReturn` is false) is not asked again.
  package mutating func lost(_ id: NodeID, mayReturn: Bool = false) {
    guard let place = places[id], nodes[place].presence != .gone else { return }
    nodes[place].presence = mayReturn ? .away : .gone
    update(place)
    let unanswered = nodes[place].outstanding.sorted(by: >)
    nodes[place].outstanding = []
    for file in unanswered {
      files[file].tried[place] = false
      giveBack(file, from: place)
    }
    settle()
  }

  /// Updates how quickly a node answers.
  mutating func note(_ id: NodeID, isWaitedFor: Bool, isProductive: Bool) {
    guard let place = places[id] else { return }
    productive[place] = isProductive
    guard nodes[place].isWaitedFor != isWaitedFor else { return }
    nodes[place].isWaitedFor = isWaitedFor
    update(place)
  }

  /// Updates the sets of nodes.
  private mutating func update(_ place: Int) {
    let node = nodes[place]
    hopeful[place] = node.presence != .gone
    let isWaitedFor = node.presence == .present && node.isWaitedFor
    for rank in waitedFor.indices { waitedFor[rank][place] = isWaitedFor && rank == node.rank }
  }

  /// The files requested from the node that it has not answered.
  package func outstanding(of id: NodeID) -> Int { places[id].map { nodes[$0].outstanding.count } ?? 0 }

  /// Files that wait to be requested; some of them may have ended.
  var waitingCount: Int { waiting.count }

  func isEnded(_ file: Int) -> Bool { files[file].isEnded }

  // MARK: Requests

  /// Allows up to `count` nodes to be asked for the file concurrently.
  mutating func allow(_ count: Int, for file: Int) {
    files[file].allowed = count
    share(file)
  }

  private mutating func share(_ file: Int) {
    guard files[file].allowed > 1, !files[file].isEnded, !files[file].isShared else { return }
    files[file].isShared = true
    shared.append(file)
  }

  /// The files to request from this node now, at most `count`: files that no node is asked for before those that others
  /// are asked for as well.
  package mutating func next(for id: NodeID, atMost count: Int) -> [Int] {
    guard let place = places[id], nodes[place].presence == .present else { return [] }
    let room = min(count, Self.maximumAhead - nodes[place].outstanding.count)
    guard room > 0, !(waiting.isEmpty && shared.isEmpty) else { return [] }
    let better = betterNodes(than: place)
    var taken = takeWaiting(for: place, atMost: room, better)
    if taken.count < room, !shared.isEmpty {
      let isIdle = nodes[place].outstanding.isEmpty
      taken += takeShared(for: place, atMost: room - taken.count, better, isIdle: isIdle)
    }
    return taken
  }

  private mutating func takeWaiting(for place: Int, atMost room: Int, _ better: NodeSet) -> [Int] {
    var taken: [Int] = []
    var passed: [Int] = []
    while taken.count < room, let file = waiting.popLast() {
      guard !files[file].isEnded else { continue }
      // A file waits for a node that is more likely to have it.
      let isFor = !files[file].tried[place] && better.isSubset(of: files[file].tried)
      if isFor { taken.append(file) } else { passed.append(file) }
      guard better.isEmpty || passed.count < Self.maximumPassed else { break }
    }
    waiting += passed.reversed()
    for file in taken { ask(place, for: file) }
    return taken
  }

  private mutating func takeShared(for place: Int, atMost room: Int, _ better: NodeSet, isIdle: Bool) -> [Int] {
    var taken: [Int] = []
    var kept: [Int] = []
    for file in shared {
      guard !files[file].isEnded, files[file].asked.count < files[file].allowed, !isHopeless(file) else {
        files[file].isShared = false
        continue
      }
      kept.append(file)
      // Files that a productive node is about to send are requested a second time only if there is nothing else to do.
      let isWorthIt = isIdle || files[file].asked.isDisjoint(with: productive)
      let isFor = files[file].allowed == .max || better.isSubset(of: files[file].tried)
      if taken.count < room, !files[file].asked.isEmpty, !files[file].tried[place], isWorthIt, isFor {
        ask(place, for: file)
        taken.append(file)
      }
    }
    shared = kept
    return taken
  }

  private mutating func ask(_ place: Int, for file: Int) {
    files[file].tried[place] = true
    files[file].asked[place] = true
    nodes[place].outstanding.insert(file)
  }

  // MARK: Answers

  /// The bytes of a requested file have arrived; `answered` will report whether they were right.
  package mutating func received(_ file: Int, from id: NodeID) {
    guard let place = places[id] else { return }
    nodes[place].outstanding.remove(file)
  }

  /// The node has answered for a requested file.
  ///
  /// - Returns: whether that counts: the file may have arrived from another node meanwhile.
  @discardableResult
  package mutating func answered(_ file: Int, by id: NodeID, _ answer: Answer) -> Bool {
    guard let place = places[id] else { return false }
    let wasAsked = files[file].asked[place]
    nodes[place].outstanding.remove(file)
    if wasAsked { nodes[place].asked += 1 }
    if wasAsked, answer == .gave || answer == .tooLarge { nodes[place].gave += 1 }
    update(place)
    switch answer {
    // A file that has arrived counts, even if the node was lost before it was on the disk.
    case .gave: return end(file, .arrived)
    case .tooLarge: return end(file, .large)
    case .hasNot, .misbehaved:
      let counts = wasAsked && !files[file].isEnded
      if wasAsked { giveBack(file, from: place) }
      if answer == .misbehaved { lost(id) }
      return counts
    }
  }

  private mutating func giveBack(_ file: Int, from place: Int) {
    files[file].asked[place] = false
    guard !files[file].isEnded, files[file].asked.isEmpty else { return }
    if isHopeless(file) { end(file, .nowhere) } else { waiting.append(file) }
  }

  /// Returns false if the file has ended already.
  @discardableResult
  private mutating func end(_ file: Int, _ outcome: Outcome) -> Bool {
    guard !files[file].isEnded else { return false }
    files[file].isEnded = true
    outcomes.append((file, outcome))
    return true
  }

  /// Ends the files for which no node is left to ask.
  private mutating func settle() {
    let present = waiting
    waiting = present.filter { !isHopeless($0) }
    for file in present.reversed() where isHopeless(file) { end(file, .nowhere) }
  }

  /// Whether no node is left that can be asked for the file.
  private func isHopeless(_ file: Int) -> Bool { hopeful.isSubset(of: files[file].tried) }

  private func betterNodes(than place: Int) -> NodeSet {
    var better = NodeSet()
    for set in waitedFor[(nodes[place].rank + 1)...] { better.formUnion(set) }
    return better
  }
}
