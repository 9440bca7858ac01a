import Primitives

/// The hosts from which members of this node's channels were heard lately. Anyone can repeat a member's datagrams, so it
/// is only a hint for people.
struct LocalNeighbors: Sendable {
  /// Longer than several announcements take.
  static let life: Duration = .seconds(120)
  static let capacity = 256

  private var heardAt: [ByteString: Instant] = [:]

  mutating func record(_ host: String, at now: Instant) {
    let key = ByteString(host)
    if heardAt[key] == nil, heardAt.count >= Self.capacity { heardAt = heardAt.filter { now - $0.value < Self.life } }
    guard heardAt[key] != nil || heardAt.count < Self.capacity else { return }
    heardAt[key] = now
  }

  func count(at now: Instant) -> Int { heardAt.values.count { now - $0 < Self.life } }
}
