import Crypto
import Primitives
import TestSupport
import Testing
import Wire

/// The wire format of every message: `Tests/Vectors/wire.json`, which other software may replay as well.
@Suite struct WireVectorTests {
  private static let topic: Topic = .filled(with: 7)
  private static let channel: ChannelProof = .filled(with: 7)
  private static let hash: ContentHash = .filled(with: 1)
  private static let manifest: ContentHash = .filled(with: 2)
  private static let feed: FeedID = .filled(with: 9)
  private static let subfeed = SubfeedKey(feed, .filled(with: 10))

  private static func control() throws -> [String: ControlMessage] {
    var full = Hello(
      label: "größer", software: "kachery 1.2", isBootstrap: true, clock: WallTime(milliseconds: 1_700_000_000_123),
      addresses: [try #require(Address("node.example.org:15351")), .relay(.filled(with: 6))],
      observed: Address("192.0.2.7:65535"),
      proofs: [channel, .filled(with: 8)])
    full.minor = 3
    full.features = 5
    var record = PresenceRecord(
      node: .filled(with: 4), topic: topic,
      addresses: try ["192.0.2.1:15351", "[2001:db8::1]:1", "quic://192.0.2.1:15351"].map { try #require(Address($0)) },
      relays: [.filled(with: 6)], capabilities: 1, issued: WallTime(milliseconds: 1_700_000_000_000),
      expires: WallTime(milliseconds: 1_700_000_600_000))
    record.signature = [UInt8](repeating: 12, count: 64)
    // A field of a kind, and an address of a transport, that this version does not know.
    let later = try PresenceRecord(
      body: record.body + [200, 0, 3, 1, 2, 3, 1, 0, 2, 99, 1], signature: record.signature)
    var shortest = Hello(label: "", software: "", isBootstrap: false, clock: WallTime(milliseconds: 0))
    shortest.features = 0
    var numbered = shortest
    numbered.instance = 0x0102_0304_0506_0708
    var messages: [String: ControlMessage] = [
      "the shortest hello": .hello(shortest), "lanes wanted": .lanesWanted(3),
      "prefer": .prefer(0x0102_0304_0506_0708),
      "a hello with an instance": .hello(numbered), "identity query": .identityQuery(0x0102_0304_0506_0708),
      "identity answer": .identityAnswer(0x0102_0304_0506_0708), "identity copy": .identityCopy("10.0.0.1:5000"),
      "replicate": .replicate(
        ReplicaRequest(id: 0x0102_0304, channel: channel, hash: hash, size: Limits.maximumFileSize)),
      "a full hello": .hello(full), "no channels": .channels([]),
      "two channels": .channels([channel, .filled(with: 8)]),
      "no offers": .relaying([]),
      "two offers": .relaying([
        RelayOffer(channel: channel, includesData: false), RelayOffer(channel: .filled(with: 8), includesData: true),
      ]),
      "no topics": .topics([]), "two topics": .topics([topic, .filled(with: 8)]),
      "no presence": .presence([]), "presence": .presence([record]),
      "presence of a later version": .presence([later, record]),
      "find": .find(FindRequest(id: 7, channel: channel, hash: hash)),
      "find with a manifest": .find(FindRequest(id: .max, channel: channel, hash: hash, wantsManifest: true)),
      "found": .found(FindAnswer(id: 7, .has(FindAnswer.File(size: 10_000)))),
      "found with a manifest": .found(
        FindAnswer(id: 7, .has(FindAnswer.File(size: Limits.maximumFileSize, manifest: manifest)))),
      "found in part": .found(
        FindAnswer(
          id: 7, .has(FindAnswer.File(size: 60_000_000, manifest: manifest, chunks: ChunkSet(bytes: [0b101]))))),
      "waiting": .waiting(WaitingNotice(hash: hash, others: 3)),
    ]
    let candidates = try Self.candidates()
    messages["the first reach"] = .reach(Reach(session: 0, tcp: .unknown, candidates: []))
    messages["reach"] = .reach(
      Reach(session: 0x0102_0304, tcp: .kept, udp: .random, ways: [.tcp, .udp], candidates: candidates))
    messages["punch"] = .punch(Punch(session: 0x0102_0304, round: 2, candidates: candidates))
    messages["punchStart"] = .punchStart(PunchStart(session: 0x0102_0304, round: 1))
    messages["punchEnd: won"] = .punchEnd(
      PunchEnd(session: 0x0102_0304, round: 1, .won, winner: candidates.last))
    messages["punchEnd: failed"] = .punchEnd(PunchEnd(session: 0x0102_0304, round: 3, .failed))
    messages["punchEnd: notNow"] = .punchEnd(PunchEnd(session: 0x0102_0304, round: 0, .notNow))
    for refusal in Refusal.allCases {
      messages["found: \(refusal)"] = .found(FindAnswer(id: 7, .refuses(refusal)))
      messages["aborted: \(refusal)"] = .aborted(AbortNotice(hash: hash, reason: refusal))
    }
    for state in ReplicaAnswer.State.allCases {
      messages["replicated: \(state)"] = .replicated(ReplicaAnswer(id: 7, state, "weil é"))
    }
    for code in Goodbye.Code.allCases { messages["goodbye: \(code)"] = .goodbye(Goodbye(code, "weil é")) }
    return messages
  }

  private static func candidates() throws -> [Candidate] {
    let (ipv4, ipv6) = (try #require(IPAddress("192.0.2.7")), try #require(IPAddress("2001:db8::7")))
    return [
      try #require(Candidate(.predicted, ipv4, port: 65_535)),
      try #require(Candidate(.ipv6, over: .udp, ipv6, port: 15_351)),
    ]
  }

  private static func fetchRequests() throws -> [String: FetchRequest] {
    let range = try #require(ByteRange(start: 20_000_000, end: 40_000_000))
    return [
      "a range": FetchRequest(channel: channel, hash: hash, range: range),
      "an empty file": FetchRequest(channel: channel, hash: hash, range: ByteRange(whole: 0)),
    ]
  }

  private static let fetchReplies = Dictionary(
    uniqueKeysWithValues: [("granted", FetchReply(count: 20_000_000))]
      + Refusal.allCases.map { ("\($0)", FetchReply($0)) })

  private static let batchRequests = [
    "no files": BatchRequest(channel: channel, hashes: []),
    "two files": BatchRequest(channel: channel, hashes: [hash, manifest]),
  ]

  private static let feedRequests: [String: FeedRequest] = [
    "query": .query(id: 1, channel, feed), "subscribe": .subscribe(id: 2, channel, subfeed, position: .max),
    "unsubscribe": .unsubscribe(id: 2), "submit": .submit(id: 3, channel, subfeed, message: Array(#"{"n":1}"#.utf8)),
  ]

  private static let feedAnswers: [String: FeedAnswer] = [
    "written here": .known(id: 1, isHeld: true, proof: .filled(with: 5)),
    "unknown": .known(id: 1, isHeld: false, proof: nil),
    "messages": .messages(id: 2, position: 7, SubfeedStatement(.filled(with: 6)), [Array("{}".utf8), [], [1, 2, 3]]),
    "caught up": .caughtUp(id: 2, count: 12), "submitted": .submitted(id: 3),
    "rejected": .rejected(id: 3, reason: "This node may not."),
  ].merging(Refusal.allCases.map { ("refused: \($0)", .refused(id: 2, $0)) }) { one, _ in one }

  // MARK: Replaying

  /// Checks the frames of one kind of stream: each is the encoding of the value of its name, and decodes to that value.
  ///
  /// - Parameter types: all frame types of the stream, each of which must have an example.
  private func replay<Message: Equatable>(
    _ kind: ByteString, _ values: [String: Message], types: [UInt8], encode: (Message) -> [UInt8],
    decode: (Frame) throws -> Message?
  ) throws {
    let vectors = try Vectors.json("wire.json").list(kind)
    var names: Set<String> = []
    var seen: Set<UInt8> = []
    for vector in vectors {
      let name = try vector.text("name").text
      let bytes = try #require(Hex.decode(vector.text("frame").text), "\(name)")
      let value = try #require(values[name], "\(kind) has no '\(name)'")
      #expect(Hex.encode(encode(value)) == Hex.encode(bytes), "\(name)")
      let frame = try frame(bytes)
      #expect(try decode(frame) == value, "\(name)")
      // A later version may append fields.
      let longer = try self.frame(Frame.encode(frame.type) { $0.raw(frame.body + [1, 2, 3]) })
      #expect(try decode(longer) == value, "\(name)")
      names.insert(name)
      seen.insert(frame.type)
    }
    #expect(names == Set(values.keys) && names.count == vectors.count)
    #expect(seen == Set(types))
  }

  /// The only frame in the bytes.
  private func frame(_ bytes: [UInt8]) throws -> Frame {
    var decoder = FrameDecoder(limit: WireLimits.frame)
    decoder.append(bytes)
    let frame = try #require(try decoder.next())
    #expect(decoder.takeRest().isEmpty)
    return frame
  }

  @Test func controlMessages() throws {
    try replay(
      "control", Self.control(), types: Array(1...21), encode: { $0.encoded },
      decode: { try ControlMessage.decode($0) })
  }

  @Test func fetchRequestsAndReplies() throws {
    try replay(
      "fetchRequests", Self.fetchRequests(), types: [16], encode: { $0.encoded },
      decode: { try FetchRequest.decode($0) })
    try replay("fetchReplies", Self.fetchReplies, types: [17], encode: { $0.encoded }, decode: reply)
  }

  /// Reads a reply from the stream, before the bytes that follow it.
  private func reply(_ frame: Frame) throws -> FetchReply? {
    var decoder = FetchReplyDecoder()
    var reply: FetchReply?
    try Frame.encode(frame.type) { $0.raw(frame.body) }.withUnsafeBytes { bytes in
      try decoder.receive(bytes) { if case .reply(let next) = $0 { reply = next } }
    }
    return reply
  }

  @Test func batchRequests() throws {
    try replay(
      "batchRequests", Self.batchRequests, types: [24], encode: { $0.encoded },
      decode: { try BatchRequest.decode($0) })
  }

  @Test func laneRequests() throws {
    let requests = [
      "a lane": LaneRequest(linkWithBinding: [1, 2, 3, 4, 5, 6, 7, 8, 9]),
      "zero": LaneRequest(link: 0),
    ]
    try replay(
      "laneRequests", requests, types: [26], encode: { $0.encoded }, decode: { try LaneRequest.decode($0) })
  }

  @Test(arguments: 0..<300) func damagedLaneRequestsNeverTrap(seed: UInt64) throws {
    var random = SeededRandom(seed: seed)
    let bytes = random.mutated(LaneRequest(link: random.next()).encoded)
    var decoder = FrameDecoder(limit: LaneRequest.frameLimit)
    decoder.append(bytes)
    while let frame = try? decoder.next() {
      if let request = try? LaneRequest.decode(frame) {
        #expect(try LaneRequest.decode(self.frame(request.encoded)) == request)
      }
    }
  }

  @Test func relayMessages() throws {
    let (topic, node): (Topic, NodeID) = (Self.topic, .filled(with: 4))
    let uses: [(String, UInt8)] = [
      ("a link", RelayFrame.link), ("a lane", RelayFrame.lane), ("a later use", 2),
    ]
    let requests = uses.map { ($0, RelayRequest(topic: topic, target: node, use: $1)) }
    try replay(
      "relayRequests", Dictionary(uniqueKeysWithValues: requests), types: [48], encode: { $0.encoded },
      decode: { try RelayRequest.decode($0) })
    let seenAt = try ["192.0.2.7:65535", "[2001:db8::7]:15351"].map { try #require(Endpoint($0)) }
    let relayed =
      uses.map { ($0, RelayedRequest(topic: topic, opener: node, use: $1)) } + [
        ("with endpoints", RelayedRequest(topic: topic, opener: node, seenAt: seenAt))
      ]
    try replay(
      "relayedRequests", Dictionary(uniqueKeysWithValues: relayed), types: [49], encode: { $0.encoded },
      decode: { try RelayedRequest.decode($0) })
    let answers =
      RelayStatus.allCases.map { ("\($0)", RelayAnswer($0)) } + [
        ("granted, with endpoints", RelayAnswer(.granted, seenAt: seenAt))
      ]
    try replay(
      "relayAnswers", Dictionary(uniqueKeysWithValues: answers), types: [50], encode: { $0.encoded },
      decode: { try RelayAnswer.decode($0) })
    try replay(
      "relayTokens", ["a token": RelayToken(.filled(with: 6))], types: [51], encode: { $0.encoded },
      decode: { try RelayToken.decode($0) })
  }

  @Test func feedRequests() throws {
    try replay(
      "feedRequests", Self.feedRequests, types: Array(32...35), encode: { $0.encoded },
      decode: { try FeedRequest.decode($0) })
  }

  @Test func feedAnswers() throws {
    try replay(
      "feedAnswers", Self.feedAnswers, types: Array(40...45), encode: { $0.encoded },
      decode: { try FeedAnswer.decode($0) })
  }
}
