import Primitives
import TestSupport
import Testing
import Wire

@Suite struct MessageTests {
  private func decode(_ bytes: [UInt8]) throws -> ControlMessage? {
    var decoder = FrameDecoder(limit: WireLimits.frame)
    decoder.append(bytes)
    return try ControlMessage.decode(try #require(try decoder.next()))
  }

  @Test(arguments: 0..<200)
  func whatIsEncodedIsDecoded(seed: UInt64) throws {
    var messages = RandomMessages(seed: seed)
    let message = try messages.next()
    #expect(try decode(message.encoded) == message, "seed \(seed)")
  }

  /// A later minor version may append fields, and send messages that this one does not know.
  @Test func unknownFieldsAndMessagesAreIgnored() throws {
    let message = ControlMessage.found(FindAnswer(id: 7, .refuses(.notHere)))
    var bytes = message.encoded
    bytes += [1, 2, 3]
    bytes[3] += 3
    #expect(try decode(bytes) == message)
    #expect(try decode(Frame.encode(200) { $0.integer(UInt8(1)) }) == nil)
  }

  /// An unknown reason is invalid: it ends the link like any other invalid frame.
  @Test(arguments: [UInt8](0...255))
  func aRefusalIsOneOfThoseKnownOrNone(value: UInt8) throws {
    let bytes: [UInt8] = [0, 0, 0, 7, 5, 0, 0, 0, 9, 0, value]
    guard let refusal = Refusal(rawValue: value) else {
      #expect(throws: WireError.malformed(.malformed)) { try decode(bytes) }
      return
    }
    #expect(try decode(bytes) == .found(FindAnswer(id: 9, .refuses(refusal))))
    #expect(ControlMessage.found(FindAnswer(id: 9, .refuses(refusal))).encoded == bytes)
  }

  @Test func anAnswerWithoutItsReasonIsRefused() {
    #expect(throws: WireError.malformed(.truncated)) { try decode([0, 0, 0, 6, 5, 0, 0, 0, 9, 0]) }
    #expect(throws: WireError.self) { try decode([0, 0, 0, 7, 5, 0, 0, 0, 9, 7, 1]) }
  }

  /// Chunks with unknown positions, no chunks, or more than a shared file can have.
  @Test func chunksThatMeanNothingAreRefused() throws {
    let manifest = [UInt8](repeating: 1, count: 20)
    func answer(_ manifest: [UInt8]?, _ chunks: [UInt8]) -> [UInt8] {
      Frame.encode(5) { writer in
        writer.integer(UInt32(9))
        writer.flag(true)
        writer.integer(UInt64(100))
        writer.optional(manifest) { $0.raw($1) }
        writer.flag(true)
        writer.bytes(chunks)
      }
    }
    #expect(try decode(answer(manifest, [0x80])) != nil)
    #expect(throws: WireError.malformed(.malformed)) { try decode(answer(nil, [0x80])) }
    #expect(throws: WireError.malformed(.malformed)) { try decode(answer(manifest, [])) }
    let most = [UInt8](repeating: 0xff, count: ChunkSet.maximumBytes)
    #expect(try decode(answer(manifest, most)) != nil)
    #expect(throws: WireError.self) { try decode(answer(manifest, most + [0])) }
    var cut = answer(manifest, [0x80, 0x40])
    cut.removeLast()
    cut[3] -= 1
    #expect(throws: WireError.malformed(.truncated)) { try decode(cut) }
  }

  /// A position in one file and the size of another can then be added without overflow.
  @Test(arguments: [(UInt64(Int64.max), true), (UInt64(Int64.max) + 1, false), (UInt64.max, false)])
  func aSizeThatNoFileCanHaveIsRefused(size: UInt64, isTaken: Bool) throws {
    let bytes = ControlMessage.found(FindAnswer(id: 1, .has(FindAnswer.File(size: size)))).encoded
    #expect(((try? decode(bytes)) != nil) == isTaken)
  }

  @Test func aLabelIsTruncatedToFitAHello() {
    for name in [
      "", "lab", String(repeating: "é", count: 500),
      "e" + String(repeating: "\u{301}", count: 50_000),
    ] {
      let label = Hello.label(of: name)
      #expect(label.utf8.count <= WireLimits.label)
      #expect(name.utf8.starts(with: label.utf8))
      #expect(name.utf8.count > WireLimits.label || label.utf8.count == name.utf8.count)
    }
  }

  @Test func framesThatAreTooLongAreRefusedBeforeTheyAreRead() {
    var decoder = FrameDecoder(limit: 100)
    decoder.append([0, 0, 0, 101])
    #expect(throws: WireError.frameTooLong) { try decoder.next() }
    var huge = FrameDecoder(limit: WireLimits.frame)
    huge.append([0xff, 0xff, 0xff, 0xff])
    #expect(throws: WireError.frameTooLong) { try huge.next() }
  }

  @Test(arguments: 0..<50)
  func framesCutAnywhereGiveTheSame(seed: UInt64) throws {
    var messages = RandomMessages(seed: seed)
    let sent = try (0..<5).map { _ in try messages.next() }
    let bytes = sent.flatMap(\.encoded)
    var decoder = FrameDecoder(limit: WireLimits.frame)
    var received: [ControlMessage] = []
    var start = 0
    while start < bytes.count {
      let count = messages.random.number(1...40)
      decoder.append(bytes[start..<min(start + count, bytes.count)])
      start += count
      while let frame = try decoder.next() {
        if let message = try ControlMessage.decode(frame) { received.append(message) }
      }
    }
    #expect(received == sent, "seed \(seed)")
  }

  /// Any input is either a message or an error, and a message can be encoded again.
  @Test(arguments: 0..<40)
  func mutatedMessagesNeverTrap(seed: UInt64) throws {
    var messages = RandomMessages(seed: seed)
    for _ in 0..<100 {
      let bytes = messages.random.mutated(try messages.next().encoded)
      var decoder = FrameDecoder(limit: WireLimits.frame)
      decoder.append(bytes)
      guard let frame = try? decoder.next(), let message = try? ControlMessage.decode(frame) else { continue }
      #expect(try decode(message.encoded) == message, "seed \(seed)")
    }
  }

  @Test func inputsThatWereKeptNeverTrap() throws {
    for (name, bytes) in try FuzzCorpus.inputs(of: "control") {
      var decoder = FrameDecoder(limit: WireLimits.frame)
      decoder.append(bytes)
      while let frame = try? decoder.next() {
        guard let message = try? ControlMessage.decode(frame) else { continue }
        #expect(try decode(message.encoded) == message, "\(name)")
      }
    }
  }

  /// However many records there are and however long they are, no frame is longer than the other side accepts.
  @Test(arguments: [0, 1, 300, 2_000])
  func presenceIsSentInFramesThatFit(count: Int) throws {
    var messages = RandomMessages(seed: 5)
    let records = try (0..<count).map { _ in try messages.record(hostLength: 255, addresses: 16) }
    let batches = ControlMessage.presence(batching: records)
    var received: [PresenceRecord] = []
    for batch in batches {
      #expect(batch.encoded.count <= WireLimits.frame)
      if case .presence(let part) = try decode(batch.encoded) { received += part }
    }
    #expect(received == records)
  }
}

/// Messages of every kind, determined by a seed.
struct RandomMessages {
  var random: SeededRandom

  init(seed: UInt64) { random = SeededRandom(seed: seed) }

  mutating func next() throws -> ControlMessage {
    switch random.number(0...18) {
    case 17:
      return .replicate(
        ReplicaRequest(
          id: UInt32(random.number(0...9)), channel: try fixed(), hash: try fixed(), size: random.next() >> 1))
    case 18:
      let state = try #require(ReplicaAnswer.State.allCases.randomElement(using: &random))
      return .replicated(ReplicaAnswer(id: 7, state, String(repeating: "é", count: random.number(0...254))))
    case 0: return .hello(try hello())
    case 1: return .channels(try (0..<random.number(0...5)).map { _ in try fixed() })
    case 15: return .topics(try (0..<random.number(0...5)).map { _ in try fixed() })
    case 16:
      return .relaying(
        try (0..<random.number(0...5)).map { _ in RelayOffer(channel: try fixed(), includesData: random.chance(50)) })
    case 2: return .presence(try (0..<random.number(0...4)).map { _ in try record(hostLength: 12, addresses: 3) })
    case 3:
      return .find(
        FindRequest(
          id: UInt32(random.number(0...1_000)), channel: try fixed(), hash: try fixed(),
          wantsManifest: random.chance(50)))
    case 4:
      let refusal = try #require(Refusal.allCases.randomElement(using: &random))
      return .found(FindAnswer(id: 1, .refuses(refusal)))
    case 5:
      let chunks = ChunkSet(bytes: random.bytes(random.number(1...300)))
      let file =
        random.chance(50)
        ? FindAnswer.File(size: random.next() >> 1, manifest: random.chance(50) ? try fixed() : nil)
        : FindAnswer.File(size: random.next() >> 1, manifest: try fixed(), chunks: chunks)
      return .found(FindAnswer(id: UInt32.max, .has(file)))
    case 7:
      let reason = try #require(Refusal.allCases.randomElement(using: &random))
      return .aborted(AbortNotice(hash: try fixed(), reason: reason))
    case 9: return .prefer(UInt64(random.number(0...1_000_000)))
    case 8: return .lanesWanted(UInt8(random.number(0...255)))
    case 10:
      return .reach(
        Reach(
          session: UInt32(random.number(0...9)), tcp: MappingKind.allCases.randomElement(using: &random) ?? .none,
          udp: .same, ways: PunchWays(rawValue: UInt8(random.number(0...255))), candidates: candidates()))
    case 11:
      return .punch(
        Punch(
          session: UInt32.max, round: UInt8(random.number(0...255)),
          part: Punch.Part.allCases.randomElement(using: &random) ?? .nothing, candidates: candidates()))
    case 12: return .punchStart(PunchStart(session: 7, round: UInt8(random.number(0...255))))
    case 13:
      let outcome = PunchEnd.Outcome.allCases.randomElement(using: &random) ?? .won
      return .punchEnd(PunchEnd(session: 7, round: 3, outcome, winner: candidates().first))
    case 6: return .waiting(WaitingNotice(hash: try fixed(), others: UInt32(random.number(0...300))))
    default:
      let code = try #require(Goodbye.Code.allCases.randomElement(using: &random))
      return .goodbye(Goodbye(code, "because é"))
    }
  }

  private mutating func candidates() -> [Candidate] {
    (0..<random.number(0...WireLimits.candidates)).compactMap { _ in
      let kind = Candidate.Kind.allCases.randomElement(using: &random) ?? .seen
      let transport = Candidate.Transport.allCases.randomElement(using: &random) ?? .tcp
      let bytes = random.bytes(random.chance(50) ? 4 : 16)
      return IPAddress(bytes: bytes).flatMap {
        Candidate(kind, over: transport, $0, port: UInt16(random.number(1...65_535)))
      }
    }
  }

  private mutating func hello() throws -> Hello {
    var hello = Hello(
      label: String(repeating: "é", count: random.number(0...20)), software: "test", isBootstrap: random.chance(50),
      clock: WallTime(milliseconds: random.next()),
      addresses: try (0..<random.number(0...3)).map { _ in try address(length: 9) },
      observed: random.chance(50) ? try address(length: 3) : nil,
      proofs: try (0..<random.number(0...4)).map { _ in try fixed() })
    hello.features = random.next()
    return hello
  }

  mutating func record(hostLength: Int, addresses: Int) throws -> PresenceRecord {
    let record = PresenceRecord(
      node: try fixed(), topic: try fixed(),
      addresses: try (0..<addresses).map { _ in try address(length: hostLength) },
      relays: try (0..<random.number(0...2)).map { _ in try fixed() }, capabilities: random.next() % 3,
      issued: WallTime(milliseconds: random.next()), expires: WallTime(milliseconds: random.next()))
    let unknown: [UInt8] = [UInt8(random.number(4...255)), 0, 2] + random.bytes(2)
    let hasRoom = record.body.count + unknown.count <= WireLimits.presenceBody
    return try PresenceRecord(
      body: record.body + (hasRoom && random.chance(50) ? unknown : []), signature: random.bytes(64))
  }

  private mutating func address(length: Int) throws -> Address {
    let endpoint = try #require(
      Endpoint(host: String(repeating: "h", count: length), port: UInt16(random.number(1...65_535))))
    switch random.number(0...5) {
    case 0: return .quic(endpoint)
    case 1: return .webSocket(endpoint)
    case 2: return .secureWebSocket(endpoint)
    case 3: return .relay(try fixed())
    default: return .tcp(endpoint)
    }
  }

  private mutating func fixed<Value: FixedBytes>() throws -> Value {
    try #require(Value(bytes: random.bytes(Value.byteCount)))
  }
}
