import Crypto
import Discovery
import Primitives
import TestSupport
import Testing

/// Which members are remembered, for how long, and when they are stored.
@Suite struct RememberedMembersTests {
  private var members = RememberedMembers()
  private let topic = FixedBytesOf.topic(1)
  private let place = Address.tcp(FixedBytesOf.endpoint(1))

  private func node(_ number: Int) throws -> NodeID {
    try #require(NodeID(bytes: (0..<32).map { UInt8(truncatingIfNeeded: number >> (8 * ($0 % 4))) }))
  }

  private func instant(_ seconds: Int) -> Instant { Instant(nanoseconds: UInt64(seconds + 1) * 1_000_000_000) }
  private func wall(_ seconds: Int) -> WallTime { WallTime(milliseconds: 1_700_000_000_000 + UInt64(seconds) * 1_000) }

  private mutating func record(_ number: Int, _ topics: [Topic]? = nil, _ reached: [Address]? = nil, at seconds: Int)
    throws
  {
    members.record(
      try node(number), topics: topics ?? [topic], reached: reached ?? [place], named: [], at: instant(seconds),
      wall(seconds))
  }

  @Test mutating func theMostRecentAreKept() throws {
    for number in 0..<300 { try record(number, at: number * 3_600) }
    #expect(members.inOrder.count == RememberedMembers.capacity)
    #expect(try members.inOrder.first?.node == node(299))
    #expect(try members.inOrder.last?.node == node(300 - RememberedMembers.capacity))
  }

  /// The members of a large channel do not take turns, or each announcement would be a reason to store them.
  @Test mutating func ofManyThatAreLinkedTheFirstStay() throws {
    for number in 0..<300 { try record(number, at: number) }
    members.saved(at: instant(300))
    for number in 0..<300 { try record(number, at: 400 + number) }
    #expect(members.inOrder.count == RememberedMembers.capacity && members.saveAt == nil)
    #expect(try members.inOrder.last?.node == node(0))
  }

  @Test mutating func theOldAreNotRestored() throws {
    try record(1, at: 0)
    try record(2, at: 86_400)
    let stored = members.inOrder
    var later = RememberedMembers()
    later.restore(stored, at: wall(30 * 86_400 + 1))
    #expect(try later.inOrder.map(\.node) == [node(2)])
    #expect(later.saveAt == nil)
  }

  @Test mutating func changesAreStoredTogetherAndRarely() throws {
    try record(1, at: 0)
    try record(2, at: 3)
    #expect(members.saveAt == instant(0) + RememberedMembers.savingDelay)
    members.saved(at: instant(10))
    // Nothing new.
    try record(1, at: 12)
    #expect(members.saveAt == nil)
    let other = Address.tcp(FixedBytesOf.endpoint(2))
    try record(1, nil, [other], at: 12)
    #expect(members.saveAt == instant(10) + RememberedMembers.savingPeriod)
    #expect(members.inOrder.first { $0.topics == [topic] && $0.reached == [other, place] } != nil)
  }

  @Test mutating func aMemberStaysAsLongAsOneChannelIsJoined() throws {
    let second = FixedBytesOf.topic(2)
    try record(1, [topic, second], at: 0)
    members.forget(at: instant(1)) { $0 == second }
    #expect(members.inOrder.map(\.topics) == [[topic]])
    members.forget(at: instant(1)) { $0 == topic }
    #expect(members.inOrder.isEmpty)
  }

  @Test mutating func thoseInVainAreLeftAloneForAnHour() throws {
    try record(1, at: 0)
    members.leaveAlone(try node(1), at: instant(0))
    #expect(try members.isPaused(node(1), at: instant(3_599)))
    #expect(try !members.isPaused(node(1), at: instant(3_600)))
    members.leaveAlone(try node(1), at: instant(0))
    members.endPauses()
    #expect(try !members.isPaused(node(1), at: instant(1)))
  }
}

/// Values that differ by a number.
private enum FixedBytesOf {
  static func topic(_ number: UInt8) -> Topic {
    Topic(bytes: [UInt8](repeating: number, count: Topic.byteCount)) ?? { preconditionFailure("32 bytes") }()
  }

  static func endpoint(_ number: UInt8) -> Endpoint {
    Endpoint(host: "10.0.0.\(number)", port: 5_000) ?? { preconditionFailure("an address") }()
  }
}
