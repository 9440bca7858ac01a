import Crypto
import Discovery
import NodeCore
import Primitives
import Wire

/// A bootstrap node's core with many linked members: ten of each channel, and as many channels as that takes.
struct Meeting {
  static let membersOfChannel = 10

  private struct Member {
    let key: SigningKey
    let link: LinkID
    let binding: [UInt8]
    let address: Endpoint
    let topic: Topic
  }

  private var core: NodeCore
  private var members: [Member] = []
  private var seconds: UInt64 = 1
  /// Messages sent to members.
  private(set) var sent = 0

  init(members count: Int) {
    var configuration = NodeCoreConfiguration(
      key: Self.key(), label: "bootstrap", software: "benchmark", isBootstrap: true, maximumLinks: 4 * count + 4_000)
    configuration.punches = false
    core = NodeCore(configuration, random: SystemRandomNumberGenerator())
    for _ in 0..<count { meetAnother() }
  }

  /// Members that are linked.
  var count: Int { core.linkedCount }

  private static func key() -> SigningKey {
    guard let key = try? SigningKey.generate() else { fatalError("no key can be made") }
    return key
  }

  private var now: Timestamps {
    Timestamps(
      instant: Instant(nanoseconds: seconds * 1_000_000_000),
      wall: WallTime(milliseconds: 1_700_000_000_000 + seconds * 1_000))
  }

  private mutating func drain() {
    while let effect = core.nextEffect() {
      if case .link(.send) = effect { sent += 1 }
    }
  }

  /// Another member's link opens, it says hello, names its topic and announces itself; the others are told.
  mutating func meetAnother() {
    let number = members.count
    let channel = number / Self.membersOfChannel
    let bytes = [UInt8(channel >> 8), UInt8(channel & 0xff)]
    guard let topic = Topic(bytes: bytes + [UInt8](repeating: 7, count: Topic.byteCount - 2)),
      let address = Endpoint(host: "10.\(number >> 16).\(number >> 8 & 0xff).\(number & 0xff)", port: 14_507)
    else { fatalError("both have the right form") }
    let member = Member(
      key: Self.key(), link: LinkID(number: UInt64(number) + 1),
      binding: bytes + [UInt8(number & 0xff)] + [UInt8](repeating: 1, count: 29), address: address, topic: topic)
    members.append(member)
    core.linkOpened(
      member.link,
      LinkFacts(peer: member.key.publicKey, dial: nil, binding: member.binding, remote: .tcp(address)), at: now)
    let hello = Hello(
      label: "member \(number)", software: "benchmark", isBootstrap: false, clock: now.wall, addresses: [.tcp(address)])
    core.received(.hello(hello), on: member.link, at: now)
    core.received(.topics([topic]), on: member.link, at: now)
    announce(number)
  }

  /// A member announces itself, as it does every two minutes.
  mutating func announceAgain(_ number: Int) {
    seconds += 1
    announce(number)
  }

  private mutating func announce(_ number: Int) {
    let member = members[number]
    let record = PresenceRecord(
      node: member.key.publicKey, topic: member.topic, addresses: [.tcp(member.address)], issued: now.wall,
      expires: now.wall + .seconds(600)
    ).signed(with: member.key)
    core.received(.presence([record]), on: member.link, at: now)
    _ = core.wakeAt
    drain()
  }
}

/// What a new member, and a record of a known one, cost a bootstrap node's core, in microseconds and messages.
struct MeetingCost {
  private static let newMembers = 20
  private static let records = 200

  let member: Double
  let record: Double
  let messages: Double

  init(of meeting: inout Meeting) {
    let clock = ContinuousClock()
    let count = meeting.count
    let renewing = clock.measure { for round in 0..<Self.records { meeting.announceAgain(round * 7 % count) } }
    record = Self.microseconds(renewing, Self.records)
    let before = meeting.sent
    let meetingOthers = clock.measure { for _ in 0..<Self.newMembers { meeting.meetAnother() } }
    member = Self.microseconds(meetingOthers, Self.newMembers)
    messages = Double(meeting.sent - before) / Double(Self.newMembers)
  }

  private static func microseconds(_ time: Duration, _ rounds: Int) -> Double {
    (Double(time.components.attoseconds) / 1e12 + Double(time.components.seconds) * 1e6) / Double(rounds)
  }
}
