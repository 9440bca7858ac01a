package import Primitives

/// Finds nodes of this node's channels in the local networks: decides when to announce this node, what to answer to the
/// announcements of others, and which of them to dial.
///
///     node A                              node B
///       ├── announcement, to the group ─────▶│ finds a tag of its own channels
///       │◀───────────── answer, to A alone ──┤
///       │      then the one with the smaller address dials
///
/// What is found is a claim until TLS and the proofs of channels have confirmed it: anyone can repeat an announcement.
package struct LocalAnnouncer: Sendable {
  /// The UDP port of the group: that of bootstrap nodes, which no other service uses.
  package static let port: UInt16 = 14_507
  /// The group in IPv4 networks, in the scope that routers of a site do not pass on (RFC 2365, section 6.1).
  package static let groupIPv4 = "239.255.107.97"
  /// The group in IPv6 networks, in the scope of a single link (RFC 4291, section 2.7).
  package static let groupIPv6 = "ff12::6b61"
  /// Announcements, and likewise answers, that are examined in one second: each costs an HMAC for each own channel.
  static let examinedPerSecond = 100

  /// What the announcer requests.
  package enum Action: Hashable, Sendable {
    /// Send this to the group, from every place.
    case announce([UInt8])
    /// Send this to the sender of an announcement.
    case answer([UInt8], LocalSource)
    /// Dial this address, at which a node of a common channel seems to listen.
    case dial(Endpoint)
  }

  private var channels: [ChannelSecret] = []
  private var port: UInt16?
  private var places: Set<LocalPlace> = []
  private var times = LocalAnnouncementTimes()
  /// The random bytes of the latest two announcements, which may still be answered.
  private var ownRandom: [[UInt8]] = []
  private var recognized = RecentRandom()
  private var heardHosts = LocalNeighbors()
  private var announcements = SecondlyAllowance(limit: examinedPerSecond)
  private var answers = SecondlyAllowance(limit: examinedPerSecond)
  private var dials = LocalDialLimit()
  private var random: any RandomNumberGenerator & Sendable

  /// An announcer without channels or places: it is silent.
  package init(random: some RandomNumberGenerator & Sendable) { self.random = random }

  // MARK: This node

  /// Sets the channels whose members find this node.
  package mutating func setChannels(_ secrets: [ChannelSecret], at now: Instant) {
    guard secrets != channels else { return }
    channels = secrets
    restart(at: now)
  }

  /// Sets the TCP port on which this node listens; nil if it does not.
  package mutating func setPort(_ port: UInt16?, at now: Instant) {
    guard port != self.port else { return }
    self.port = port
    restart(at: now)
  }

  /// Sets the places from which this node announces itself. With none it sends, and answers, nothing.
  package mutating func setPlaces(_ places: Set<LocalPlace>, at now: Instant) {
    guard places != self.places else { return }
    self.places = places
    restart(at: now)
  }

  /// The places from which this node announces itself.
  package var placeCount: Int { places.count }

  /// How many hosts members of this node's channels were heard from lately.
  package func neighbors(at now: Instant) -> Int { heardHosts.count(at: now) }

  private var isActive: Bool { !channels.isEmpty && !places.isEmpty && port != nil }

  private mutating func restart(at now: Instant) { isActive ? times.restart(at: now) : times.stop() }

  // MARK: Announcing

  /// When to call `wake` next.
  package var wakeAt: Instant? { times.next }

  /// Announces this node if that is due.
  package mutating func wake(at now: Instant) -> [Action] {
    guard let port, let due = times.next, due <= now else { return [] }
    times.announced(at: now)
    let bytes = randomBytes()
    ownRandom = ownRandom.suffix(1) + [bytes]
    // A copy of an own announcement is no other node's.
    recognized.insert(bytes)
    let tags = channels.map { $0.localTag(over: bytes) }
    return stride(from: 0, to: tags.count, by: LocalAnnouncement.maximumTags).map { first in
      let some = tags[first...].prefix(LocalAnnouncement.maximumTags)
      return .announce(announcement(bytes, port, Array(some)).encoded)
    }
  }

  private mutating func announcement(_ bytes: [UInt8], _ port: UInt16, _ tags: [UInt64]) -> LocalDatagram {
    let missing = (LocalAnnouncement.tagStep - tags.count % LocalAnnouncement.tagStep) % LocalAnnouncement.tagStep
    let filling = (0..<missing).map { _ in random.next() }
    return .announcement(LocalAnnouncement(random: bytes, port: port, tags: (tags + filling).sorted()))
  }

  private mutating func randomBytes() -> [UInt8] {
    var writer = ByteWriter()
    for _ in 0..<LocalDatagram.randomByteCount / 8 { writer.integer(random.next()) }
    return writer.bytes
  }

  // MARK: Hearing others

  /// A datagram has arrived, from any sender in the network.
  package mutating func received(_ bytes: [UInt8], from source: LocalSource, at now: Instant) -> [Action] {
    guard isActive, places.contains(source.place), let datagram = LocalDatagram.decode(bytes) else { return [] }
    switch datagram {
    case .announcement(let announcement): return heard(announcement, from: source, at: now)
    case .answer(let answer): return heard(answer, from: source, at: now)
    }
  }

  private mutating func heard(
    _ announcement: LocalAnnouncement, from source: LocalSource, at now: Instant
  ) -> [Action] {
    guard let port, !recognized.contains(announcement.random), announcements.take(at: now) else { return [] }
    let contained = Set(announcement.tags)
    guard let common = channels.first(where: { contained.contains($0.localTag(over: announcement.random)) }) else {
      return []
    }
    recognized.insert(announcement.random)
    heardHosts.record(source.socket.host, at: now)
    let bytes = randomBytes()
    let tag = common.localTag(over: announcement.random + bytes)
    let answer = LocalDatagram.answer(LocalAnswer(random: bytes, port: port, tag: tag))
    return [.answer(answer.encoded, source)] + dial(source, announcement.port, at: now)
  }

  private mutating func heard(_ answer: LocalAnswer, from source: LocalSource, at now: Instant) -> [Action] {
    guard !recognized.contains(answer.random), answers.take(at: now) else { return [] }
    let isFromMember = ownRandom.contains { own in
      channels.contains { $0.localTag(over: own + answer.random) == answer.tag }
    }
    guard isFromMember else { return [] }
    recognized.insert(answer.random)
    heardHosts.record(source.socket.host, at: now)
    return dial(source, answer.port, at: now)
  }

  private mutating func dial(_ source: LocalSource, _ port: UInt16, at now: Instant) -> [Action] {
    guard let own = self.port, source.isDialed(port: port, fromPort: own),
      let endpoint = source.listening(on: port), dials.admits(endpoint, at: now)
    else { return [] }
    return [.dial(endpoint)]
  }
}
