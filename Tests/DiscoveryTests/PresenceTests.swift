import Crypto
import Discovery
import Primitives
import Testing
import Wire

@Suite struct PresenceTests {
  private let key: SigningKey
  private let topic = ChannelSecret(name: "lab").topic
  private let now = WallTime(milliseconds: 1_000_000_000)
  private let stranger: NodeID

  init() throws {
    key = try SigningKey.generate()
    stranger = try SigningKey.generate().publicKey
  }

  private func record(
    issued: Int64 = 0, life: Duration = .seconds(60), topic: Topic? = nil, key: SigningKey? = nil
  ) -> PresenceRecord {
    let key = key ?? self.key
    let issued = WallTime(milliseconds: UInt64(Int64(now.milliseconds) + issued))
    return PresenceRecord(
      node: key.publicKey, topic: topic ?? self.topic, addresses: [], issued: issued, expires: issued + life
    ).signed(with: key)
  }

  @Test func aSignedRecordIsAcceptedAndAReplayIsNot() {
    var table = PresenceTable()
    check(table.admit(record(), by: key.publicKey, from: .unknown, at: now))
    check(!table.admit(record(), by: key.publicKey, from: .unknown, at: now))
    check(!table.admit(record(issued: -5), by: key.publicKey, from: .unknown, at: now))
    check(table.admit(record(issued: 5), by: key.publicKey, from: .unknown, at: now))
    #expect(table.count == 1)
    #expect(table.members(of: topic, except: stranger, at: now).map(\.node) == [key.publicKey])
    #expect(table.members(of: topic, except: key.publicKey, at: now).isEmpty)
  }

  @Test func whatIsForgedStaleOrFromTheFutureIsRefused() throws {
    var table = PresenceTable()
    var forged = record()
    forged.signature[0] ^= 1
    check(!table.admit(forged, by: key.publicKey, from: .unknown, at: now))
    check(!table.admit(record(issued: -120_000), by: key.publicKey, from: .unknown, at: now))
    check(!table.admit(record(issued: 3_600_000), by: key.publicKey, from: .unknown, at: now))
    check(!table.admit(record(life: .seconds(1_000_000)), by: key.publicKey, from: .unknown, at: now))
    #expect(table.count == 0)
  }

  @Test func whatHasExpiredIsForgotten() {
    var table = PresenceTable()
    check(table.admit(record(), by: key.publicKey, from: .unknown, at: now))
    let later = now + .seconds(61)
    #expect(table.members(of: topic, except: stranger, at: later).isEmpty)
    table.removeExpired(at: later)
    #expect(table.count == 0)
  }

  @Test func oneNodeCannotFillTheTable() {
    var table = PresenceTable()
    let admitted = (0..<PresenceTable.topicsPerNode + 10).count { number in
      table.admit(record(topic: ChannelSecret(name: "\(number)").topic), by: key.publicKey, from: .unknown, at: now)
    }
    #expect(admitted == PresenceTable.topicsPerNode)
    table.remove(topic: ChannelSecret(name: "0").topic)
    #expect(table.count == PresenceTable.topicsPerNode - 1)
  }

  /// Strangers at one address announce more and more nodes: they replace their own records, and no others.
  @Test func aFloodEvictsItsOwnRecords() throws {
    var table = PresenceTable(capacity: 60)
    let honest = try (0..<20).map { _ in try SigningKey.generate() }
    for (number, key) in honest.enumerated() {
      let origin = PeerOrigin.endSite([192, 0, 2, UInt8(number)])
      check(table.admit(record(key: key), by: key.publicKey, from: origin, at: now))
    }
    let flood = PeerOrigin.endSite([198, 51, 100, 1])
    var last: [NodeID] = []
    for number in 0..<200 {
      let key = try SigningKey.generate()
      let topic = number % 2 == 0 ? topic : ChannelSecret(name: "\(number)").topic
      check(table.admit(record(topic: topic, key: key), by: key.publicKey, from: flood, at: now))
      if topic == self.topic { last.append(key.publicKey) }
      #expect(table.count <= 60)
    }
    let members = Set(table.members(of: topic, except: stranger, at: now).map(\.node))
    #expect(members.isSuperset(of: honest.map(\.publicKey)))
    // The newest of the flood are there as well.
    #expect(members.isSuperset(of: last.suffix(10)))
    // The honest ones can still announce more.
    let topics = (0..<5).map { ChannelSecret(name: "more \($0)").topic }
    for topic in topics {
      check(
        table.admit(
          record(topic: topic, key: honest[0]), by: honest[0].publicKey, from: .endSite([192, 0, 2, 0]), at: now))
    }
    #expect(table.topics(of: honest[0].publicKey).count == 6)
    #expect(table.count == 60)
  }

  /// A record that a node renews keeps its place, and a removed one leaves none behind.
  @Test func renewedAndRemovedRecordsTakeNoFurtherPlaces() throws {
    var table = PresenceTable(capacity: 2)
    let keys = try (0..<3).map { _ in try SigningKey.generate() }
    let origin = PeerOrigin.endSite([192, 0, 2, 1])
    for issued in 0..<100 as Range<Int64> {
      check(table.admit(record(issued: issued, key: keys[0]), by: keys[0].publicKey, from: origin, at: now))
      table.remove(topic: topic)
      check(table.admit(record(issued: issued, key: keys[0]), by: keys[0].publicKey, from: origin, at: now))
    }
    check(table.admit(record(key: keys[1]), by: keys[1].publicKey, from: origin, at: now))
    #expect(table.count == 2)
    check(table.admit(record(key: keys[2]), by: keys[2].publicKey, from: origin, at: now))
    #expect(
      Set(table.members(of: topic, except: stranger, at: now).map(\.node)) == [keys[1].publicKey, keys[2].publicKey])
  }

  /// `#expect` does not allow a mutation inside it.
  private func check(_ isTrue: Bool, sourceLocation: SourceLocation = #_sourceLocation) {
    #expect(isTrue, sourceLocation: sourceLocation)
  }
}
