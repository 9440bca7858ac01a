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
    check(table.admit(record(), at: now))
    check(!table.admit(record(), at: now))
    check(!table.admit(record(issued: -5), at: now))
    check(table.admit(record(issued: 5), at: now))
    #expect(table.count == 1)
    #expect(table.members(of: topic, except: stranger, at: now).map(\.node) == [key.publicKey])
    #expect(table.members(of: topic, except: key.publicKey, at: now).isEmpty)
  }

  @Test func whatIsForgedStaleOrFromTheFutureIsRefused() throws {
    var table = PresenceTable()
    var forged = record()
    forged.signature[0] ^= 1
    check(!table.admit(forged, at: now))
    check(!table.admit(record(issued: -120_000), at: now))
    check(!table.admit(record(issued: 3_600_000), at: now))
    check(!table.admit(record(life: .seconds(1_000_000)), at: now))
    #expect(table.count == 0)
  }

  @Test func whatHasExpiredIsForgotten() {
    var table = PresenceTable()
    check(table.admit(record(), at: now))
    let later = now + .seconds(61)
    #expect(table.members(of: topic, except: stranger, at: later).isEmpty)
    table.removeExpired(at: later)
    #expect(table.count == 0)
  }

  @Test func oneNodeCannotFillTheTable() {
    var table = PresenceTable()
    let admitted = (0..<PresenceTable.topicsPerNode + 10).count { number in
      table.admit(record(topic: ChannelSecret(name: "\(number)").topic), at: now)
    }
    #expect(admitted == PresenceTable.topicsPerNode)
    table.remove(topic: ChannelSecret(name: "0").topic)
    #expect(table.count == PresenceTable.topicsPerNode - 1)
  }

  /// `#expect` does not allow a mutation inside it.
  private func check(_ isTrue: Bool, sourceLocation: SourceLocation = #_sourceLocation) {
    #expect(isTrue, sourceLocation: sourceLocation)
  }
}
