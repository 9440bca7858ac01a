import Primitives

/// The open questions, and when each ends if nothing happens.
struct SearchTable: Sendable {
  private var searches: [UInt32: Search] = [:]
  private var deadlines = Deadlines<UInt32>()
  private var openByOwner: [Search.Owner: Int] = [:]

  subscript(question: UInt32) -> Search? { searches[question] }

  /// All questions, in the order in which they were sent.
  var inOrder: [UInt32] { searches.keys.sorted() }

  /// When the first search ends if nothing happens.
  var nextEnd: Instant? { deadlines.next }

  /// The searches that end now, in the order in which they began.
  func due(at now: Instant) -> [UInt32] { deadlines.due(at: now).sorted() }

  /// Whether the stored deadlines match a scan of all searches.
  var keepsItsDeadlines: Bool {
    deadlines.next == searches.values.map(\.endsAt).min()
      && searches.allSatisfy { deadlines[$0.key] == $0.value.endsAt }
      && openByOwner == searches.values.reduce(into: [:]) { $0[$1.owner, default: 0] += 1 }
  }

  func isSearching(for owner: Search.Owner) -> Bool { openByOwner[owner] != nil }

  /// The nodes that have yet to answer this owner.
  func pending(for owner: Search.Owner) -> Set<NodeID> {
    guard isSearching(for: owner) else { return [] }
    return Set(searches.values.lazy.filter { $0.owner == owner }.flatMap(\.pending.keys))
  }

  mutating func add(_ search: Search) {
    searches[search.question.id] = search
    deadlines.set(search.question.id, search.endsAt)
    openByOwner[search.owner, default: 0] += 1
  }

  /// Changes a search in place; returns nil if it has ended.
  @discardableResult
  mutating func change<Value>(_ question: UInt32, _ body: (inout Search) -> Value) -> Value? {
    // Removed meanwhile: a second reference would make every change copy it.
    guard var search = searches.removeValue(forKey: question) else { return nil }
    defer {
      deadlines.set(question, search.endsAt)
      searches[question] = search
    }
    return body(&search)
  }

  @discardableResult
  mutating func remove(_ question: UInt32) -> Search? {
    guard let search = searches.removeValue(forKey: question) else { return nil }
    deadlines.clear(question)
    let left = openByOwner[search.owner, default: 1] - 1
    openByOwner[search.owner] = left > 0 ? left : nil
    return search
  }

  /// Ends all searches of an owner, without reporting them.
  mutating func removeAll(of owner: Search.Owner) {
    guard isSearching(for: owner) else { return }
    for question in inOrder where searches[question]?.owner == owner { remove(question) }
  }
}
