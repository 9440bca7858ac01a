import Primitives
import TestSupport
import Testing

@testable import Discovery

@Suite struct LocalAnnouncerTests {
  private let start = Instant(nanoseconds: 1_000_000_000)
  private let lab = ChannelSecret(name: "lab")
  private let other = ChannelSecret(name: "other")

  private func place(_ host: String, length: Int = 24, zone: ByteString? = nil) throws -> LocalPlace {
    let address = try #require(IPAddress(host))
    return LocalPlace(
      host: host, address: address, network: try #require(IPNetwork(of: address, length: length)), zone: zone)
  }

  /// A node that has just started, before its first announcement.
  private func announcer(
    _ channels: [ChannelSecret], at places: LocalPlace..., port: UInt16 = 5_000, seed: UInt64 = 1
  ) -> LocalAnnouncer {
    var announcer = LocalAnnouncer(random: SeededRandom(seed: seed))
    announcer.setPort(port, at: start)
    announcer.setPlaces(Set(places), at: start)
    announcer.setChannels(channels, at: start)
    return announcer
  }

  private func source(_ host: String, at place: LocalPlace) throws -> LocalSource {
    let socket = try #require(Endpoint(host: host, port: 40_000))
    return try #require(LocalSource(socket, at: place))
  }

  private func announcements(_ actions: [LocalAnnouncer.Action]) -> [[UInt8]] {
    actions.compactMap { if case .announce(let bytes) = $0 { bytes } else { nil } }
  }

  private func answers(_ actions: [LocalAnnouncer.Action]) -> [[UInt8]] {
    actions.compactMap { if case .answer(let bytes, _) = $0 { bytes } else { nil } }
  }

  private func dials(_ actions: [LocalAnnouncer.Action]) -> [String] {
    actions.compactMap { if case .dial(let endpoint) = $0 { endpoint.description } else { nil } }
  }

  private func firstAnnouncement(of announcer: inout LocalAnnouncer, at now: Instant? = nil) throws -> [UInt8] {
    let due = try #require(now ?? announcer.wakeAt)
    let actions = announcer.wake(at: due)
    return try #require(announcements(actions).first)
  }

  /// `#expect` does not allow a mutation inside it.
  private func check(_ isTrue: Bool, sourceLocation: SourceLocation = #_sourceLocation) {
    #expect(isTrue, sourceLocation: sourceLocation)
  }

  // MARK: When

  @Test func aNodeAnnouncesItselfFourTimesAndThenEveryThirtySeconds() throws {
    var announcer = announcer([lab], at: try place("10.0.0.1"))
    var times: [Duration] = []
    for _ in 0..<6 {
      let due = try #require(announcer.wakeAt)
      let actions = announcer.wake(at: due)
      #expect(announcements(actions).count == 1)
      let again = announcer.wake(at: due)
      #expect(again == [])
      times.append(due - start)
    }
    #expect(times == [.zero, .milliseconds(250), .seconds(1), .seconds(3), .seconds(33), .seconds(63)])
  }

  @Test func aNodeWithoutChannelPlaceOrPortIsSilent() throws {
    let place = try place("10.0.0.1")
    var speaker = announcer([lab], at: try self.place("10.0.0.2"), seed: 2)
    let heard = try firstAnnouncement(of: &speaker)
    for missing in 0...2 {
      var announcer = announcer([lab], at: place)
      switch missing {
      case 0: announcer.setChannels([], at: start)
      case 1: announcer.setPlaces([], at: start)
      default: announcer.setPort(nil, at: start)
      }
      #expect(announcer.wakeAt == nil)
      let due = announcer.wake(at: start + .seconds(60))
      let answer = announcer.received(heard, from: try source("10.0.0.2", at: place), at: start)
      #expect(due == [] && answer == [])
    }
  }

  @Test func changesAreAnnouncedSoonButNotInAFlood() throws {
    let place = try place("10.0.0.1")
    var announcer = announcer([lab], at: place)
    var now = start
    while now < start + .seconds(100) {
      now = try #require(announcer.wakeAt)
      _ = announcer.wake(at: now)
    }
    announcer.setPlaces([place, try self.place("10.0.1.1")], at: now)
    #expect(announcer.wakeAt == now + LocalAnnouncementTimes.leastPause)
    // Nothing has changed.
    now = now + .seconds(1)
    _ = announcer.wake(at: now)
    let next = announcer.wakeAt
    announcer.setPort(5_000, at: now + .milliseconds(1))
    announcer.setChannels([lab], at: now + .milliseconds(1))
    #expect(announcer.wakeAt == next)
    var count = 0
    for step in 0..<1_000 {
      let moment = now + .milliseconds(step)
      announcer.setChannels(step % 2 == 0 ? [other] : [lab], at: moment)
      count += announcements(announcer.wake(at: moment)).count
    }
    #expect((5...10).contains(count), "\(count)")
  }

  // MARK: What

  @Test func theNumberOfChannelsShowsOnlyRoughly() throws {
    for count in 1...9 {
      var announcer = announcer((0..<count).map { ChannelSecret(name: "\($0)") }, at: try place("10.0.0.1"))
      let bytes = try firstAnnouncement(of: &announcer)
      guard case .announcement(let announcement) = LocalDatagram.decode(bytes) else {
        Issue.record("no announcement")
        return
      }
      #expect(announcement.tags.count == (count + 3) / 4 * 4)
      #expect(announcement.tags == announcement.tags.sorted())
      #expect(announcement.port == 5_000)
      #expect(Set(announcement.tags).count == announcement.tags.count)
    }
  }

  @Test func noTwoAnnouncementsHaveATagInCommon() throws {
    var announcer = announcer([lab, other], at: try place("10.0.0.1"))
    var tags: Set<UInt64> = []
    for _ in 0..<20 {
      guard case .announcement(let announcement) = LocalDatagram.decode(try firstAnnouncement(of: &announcer)) else {
        Issue.record("no announcement")
        return
      }
      #expect(tags.isDisjoint(with: announcement.tags))
      tags.formUnion(announcement.tags)
    }
  }

  @Test func manyChannelsAreAnnouncedInSeveralDatagrams() throws {
    let channels = (0..<256).map { ChannelSecret(name: "\($0)") }
    let (near, far) = (try place("10.0.0.1"), try place("10.0.0.2"))
    var announcer = announcer(channels, at: near)
    let datagrams = announcements(announcer.wake(at: start))
    #expect(datagrams.count == 2)
    // Each of them can be the one with the common channel.
    for channel in [channels[0], channels[255]] {
      var member = self.announcer([channel], at: far, seed: 3)
      let actions = try datagrams.flatMap { member.received($0, from: try source("10.0.0.1", at: far), at: start) }
      #expect(answers(actions).count == 1)
    }
  }

  // MARK: Meeting

  /// The smaller address dials, whichever node was first.
  @Test(arguments: [true, false])
  func theSmallerAddressDials(_ isFirstSmaller: Bool) throws {
    let (small, large) = (try place("10.0.0.9"), try place("10.0.0.10"))
    let (own, peer) = isFirstSmaller ? (small, large) : (large, small)
    var first = announcer([other, lab], at: own)
    var second = announcer([lab], at: peer, port: 6_000, seed: 2)
    let announcement = try firstAnnouncement(of: &first)
    let actions = second.received(announcement, from: try source(own.host, at: peer), at: start)
    let answer = try #require(answers(actions).first)
    let announcing = try source(own.host, at: peer)
    #expect(actions.first == .answer(answer, announcing))
    #expect(answer.count <= announcement.count)
    #expect(dials(actions) == (isFirstSmaller ? [] : ["10.0.0.10:5000"]))
    let last = first.received(answer, from: try source(peer.host, at: own), at: start)
    #expect(dials(last) == (isFirstSmaller ? ["10.0.0.10:6000"] : []))
    #expect(answers(last) == [])
  }

  @Test func nodesOfOneMachineMeetByTheirPorts() throws {
    let place = try place("10.0.0.9")
    var first = announcer([lab], at: place)
    var second = announcer([lab], at: place, port: 6_000, seed: 2)
    let here = try source("10.0.0.9", at: place)
    try check(dials(second.received(firstAnnouncement(of: &first), from: here, at: start)) == [])
    try check(dials(first.received(firstAnnouncement(of: &second), from: here, at: start)) == ["10.0.0.9:6000"])
  }

  @Test func anIPv6AddressOfALinkIsDialedThroughItsInterface() throws {
    let (own, peer) = (try place("fe80::1", length: 64, zone: "eth0"), try place("fe80::2", length: 64, zone: "wlan1"))
    var first = announcer([lab], at: own)
    var second = announcer([lab], at: peer, port: 6_000, seed: 2)
    let heard = try firstAnnouncement(of: &second)
    try check(dials(first.received(heard, from: source("fe80::2", at: own), at: start)) == ["[fe80::2%eth0]:6000"])
  }

  @Test func othersLearnNothing() throws {
    let (own, peer) = (try place("10.0.0.1"), try place("10.0.0.2"))
    var member = announcer([lab], at: own)
    var stranger = announcer([other], at: peer, seed: 2)
    let answer = stranger.received(
      try firstAnnouncement(of: &member), from: try source("10.0.0.1", at: peer), at: start)
    #expect(answer == [])
    // An answer that was made for another announcement is not valid for this one.
    var second = announcer([lab], at: peer, seed: 3)
    var third = announcer([lab], at: own, seed: 4)
    let foreign = second.received(try firstAnnouncement(of: &third), from: try source("10.0.0.1", at: peer), at: start)
    let bytes = try #require(answers(foreign).first)
    try check(member.received(bytes, from: source("10.0.0.2", at: own), at: start) == [])
  }

  @Test func ownDatagramsAndCopiesHaveNoEffect() throws {
    let (own, peer) = (try place("10.0.0.1"), try place("10.0.0.2"))
    let second = try place("10.0.5.2")
    var member = announcer([lab], at: own)
    let announcement = try firstAnnouncement(of: &member)
    // Also after further announcements.
    for _ in 0..<5 { _ = try firstAnnouncement(of: &member) }
    try check(member.received(announcement, from: source("10.0.0.1", at: own), at: start) == [])
    try check(member.received(announcement, from: source("10.0.0.7", at: own), at: start) == [])
    var listener = announcer([lab], at: peer, second, seed: 2)
    try check(listener.received(announcement, from: source("10.0.0.1", at: peer), at: start) != [])
    for (host, place) in [("10.0.0.1", peer), ("10.0.0.7", peer), ("10.0.5.1", second)] {
      let later = start + .seconds(20)
      try check(listener.received(announcement, from: source(host, at: place), at: later) == [])
    }
  }

  @Test func aSenderOutsideTheNetworkIsNoSource() throws {
    let place = try place("10.0.0.1")
    for host in ["10.0.1.1", "8.8.8.8", "fe80::1", "name"] {
      let socket = try #require(Endpoint(host: host, port: 1))
      #expect(LocalSource(socket, at: place) == nil)
    }
    var member = announcer([lab], at: place)
    var elsewhere = announcer([lab], at: try self.place("10.0.7.1"), seed: 2)
    let heard = try firstAnnouncement(of: &elsewhere)
    // A place that the node has left.
    try check(member.received(heard, from: source("10.0.7.1", at: try self.place("10.0.7.2")), at: start) == [])
  }

  // MARK: Limits

  /// Different announcements of members, from one host with many ports, and from many hosts.
  @Test func dialsAreLimited() throws {
    let own = try place("10.0.0.1", length: 8)
    var member = announcer([lab], at: own)
    func heard(_ host: String, _ port: UInt16, _ seed: UInt64, at now: Instant) throws -> [String] {
      var sender = announcer([lab], at: try place(host), port: port, seed: seed)
      return dials(member.received(try firstAnnouncement(of: &sender), from: try source(host, at: own), at: now))
    }
    try check(heard("10.0.0.2", 5_000, 100, at: start) == ["10.0.0.2:5000"])
    try check(heard("10.0.0.2", 5_000, 101, at: start + .seconds(9)) == [])
    try check(heard("10.0.0.2", 5_000, 102, at: start + .seconds(10)) == ["10.0.0.2:5000"])
    let ports = try (0..<20).flatMap { try heard("10.0.0.3", 6_000 + UInt16($0), 200 + UInt64($0), at: start) }
    #expect(ports.count == LocalDialLimit.portsOfHost)
    var now = start + .seconds(60)
    var count = 0
    for number in 0..<400 {
      if number % 50 == 0 { now = now + .seconds(1) }
      count += try heard("10.1.\(number / 200).\(number % 200)", 5_000, 1_000 + UInt64(number), at: now).count
    }
    #expect(count == LocalDialLimit.capacity)
  }

  @Test func onlySomeDatagramsAreExaminedInASecond() throws {
    let (own, peer) = (try place("10.0.0.1"), try place("10.0.0.2"))
    var member = announcer([lab], at: own)
    let source = try source("10.0.0.2", at: own)
    var strangers = SeededRandom(seed: 9)
    func flood(at now: Instant) {
      for _ in 0..<LocalAnnouncer.examinedPerSecond {
        let tags: [UInt64] = (0..<4).map { _ in strangers.next() }
        let forged = LocalAnnouncement(random: strangers.bytes(16), port: 1, tags: tags)
        check(member.received(LocalDatagram.announcement(forged).encoded, from: source, at: now) == [])
      }
    }
    var second = announcer([lab], at: peer, seed: 2)
    flood(at: start)
    let heard = try firstAnnouncement(of: &second)
    check(member.received(heard, from: source, at: start + .milliseconds(999)) == [])
    check(member.received(heard, from: source, at: start + .seconds(1)) != [])
  }

  /// Anything in any order: nothing traps, answers are short, and only real neighbors are dialed.
  @Test(arguments: 0..<60 as Range<UInt64>)
  func damagedAndForgedDatagramsDoNoHarm(_ seed: UInt64) throws {
    var random = SeededRandom(seed: seed)
    let (own, peer) = (try place("10.0.0.1"), try place("10.0.0.2"))
    var member = announcer([lab, other], at: own, seed: seed)
    var second = announcer([lab], at: peer, seed: seed + 1)
    var now = start
    for step in 0..<300 {
      now = now + .milliseconds(random.number(0...500))
      let announcement = try firstAnnouncement(of: &second, at: max(now, second.wakeAt ?? now))
      _ = member.wake(at: now)
      let bytes = random.chance(30) ? announcement : random.mutated(announcement)
      let host = "10.0.0.\(random.number(0...255))"
      for action in member.received(bytes, from: try source(host, at: own), at: now) {
        switch action {
        case .announce: Issue.record("seed \(seed), step \(step): an announcement as an answer")
        case .answer(let answer, let to):
          #expect(answer.count <= bytes.count && to.socket.host == host, "seed \(seed), step \(step)")
        case .dial(let endpoint): #expect(endpoint.host == host, "seed \(seed), step \(step)")
        }
      }
    }
  }
}
