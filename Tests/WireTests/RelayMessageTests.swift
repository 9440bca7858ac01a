import Primitives
import TestSupport
import Testing
import Wire

/// The frames by which a relay connects two nodes.
@Suite struct RelayMessageTests {
  private static let topic: Topic = .filled(with: 7)
  private static let node: NodeID = .filled(with: 4)
  private static let seenAt = ["192.0.2.7:15351", "[2001:db8::1]:443"].compactMap { Endpoint($0) }

  private func frame(_ bytes: [UInt8]) throws -> Frame? {
    var decoder = FrameDecoder(limit: RelayFrame.limit)
    decoder.append(bytes)
    return try decoder.next()
  }

  @Test func requestsSurviveTheWay() throws {
    for use: UInt8 in [RelayFrame.link, 1, 255] {
      let request = RelayRequest(topic: Self.topic, target: Self.node, use: use)
      #expect(try RelayRequest.decode(try #require(try frame(request.encoded))) == request)
      let relayed = RelayedRequest(topic: Self.topic, opener: Self.node, use: use)
      #expect(try RelayedRequest.decode(try #require(try frame(relayed.encoded))) == relayed)
    }
  }

  @Test func endpointsSurviveTheWay() throws {
    let relayed = RelayedRequest(topic: Self.topic, opener: Self.node, seenAt: Self.seenAt)
    let answer = RelayAnswer(.granted, seenAt: Self.seenAt)
    #expect(try RelayedRequest.decode(try #require(try frame(relayed.encoded))).seenAt == Self.seenAt)
    #expect(try RelayAnswer.decode(try #require(try frame(answer.encoded))).seenAt == Self.seenAt)
    // Names are no place at which a node was seen, and there is room for four.
    let many = ["relay.example.org:1"] + (1...6).map { "192.0.2.\($0):1" }
    let most = RelayAnswer(.granted, seenAt: many.compactMap { Endpoint($0) })
    let seen = try RelayAnswer.decode(try #require(try frame(most.encoded))).seenAt
    #expect(seen.map(\.host) == ["192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4"])
  }

  /// An unknown status could mean anything, also that bytes follow.
  @Test(arguments: [UInt8](0...255)) func aStatusIsOneOfThoseKnownOrNone(value: UInt8) throws {
    let bytes: [UInt8] = [0, 0, 0, 3, 50, value, 0]
    let frame = try #require(try frame(bytes))
    guard let status = RelayStatus(rawValue: value) else {
      #expect(throws: WireError.malformed(.malformed)) { try RelayAnswer.decode(frame) }
      return
    }
    #expect(try RelayAnswer.decode(frame) == RelayAnswer(status))
    #expect(RelayAnswer(status).encoded == bytes)
  }

  /// Endpoints of another form belong to later versions, which may also send fields after them.
  @Test(arguments: [(0, 0, true), (1, 0, true), (4, 64, true), (5, 1, false), (4, 65, false)])
  func endpointsAreSkipped(count: Int, bytes: Int, areAccepted: Bool) throws {
    func field(_ writer: inout ByteWriter) {
      writer.integer(UInt8(count))
      for _ in 0..<count { writer.bytes([UInt8](repeating: 9, count: bytes)) }
      writer.raw([1, 2, 3])
    }
    let relayed = Frame.encode(49) { writer in
      writer.integer(RelayFrame.link)
      writer.fixed(Self.topic)
      writer.fixed(Self.node)
      field(&writer)
    }
    let answer = Frame.encode(50) { writer in
      writer.integer(RelayStatus.granted.rawValue)
      field(&writer)
    }
    let frames = try [relayed, answer].map { try #require(try frame($0)) }
    guard areAccepted else {
      #expect(throws: WireError.malformed(.tooLong)) { try RelayedRequest.decode(frames[0]) }
      #expect(throws: WireError.malformed(.tooLong)) { try RelayAnswer.decode(frames[1]) }
      return
    }
    #expect(try RelayedRequest.decode(frames[0]) == RelayedRequest(topic: Self.topic, opener: Self.node))
    #expect(try RelayAnswer.decode(frames[1]) == RelayAnswer(.granted))
  }

  @Test func aFrameOfAnotherTypeIsRefused() throws {
    let request = try #require(try frame(RelayRequest(topic: Self.topic, target: Self.node).encoded))
    #expect(throws: WireError.unknownType(48)) { try RelayedRequest.decode(request) }
    #expect(throws: WireError.unknownType(48)) { try RelayAnswer.decode(request) }
    let answer = try #require(try frame(RelayAnswer(.granted).encoded))
    #expect(throws: WireError.unknownType(50)) { try RelayRequest.decode(answer) }
  }

  /// Any input is rejected, incomplete or decoded, and whatever was decoded decodes to the same value again.
  @Test(arguments: 0..<300) func noBytesDoHarm(seed: UInt64) throws {
    var random = SeededRandom(seed: seed)
    let use = UInt8(random.number(0...255))
    let messages = [
      RelayRequest(topic: Self.topic, target: Self.node, use: use).encoded,
      RelayedRequest(topic: Self.topic, opener: Self.node, use: use, seenAt: Self.seenAt).encoded,
      RelayAnswer(RelayStatus.allCases.randomElement(using: &random) ?? .granted, seenAt: Self.seenAt).encoded,
    ]
    for message in messages { try expectNoHarm(from: random.mutated(message), "seed \(seed)") }
  }

  @Test func inputsThatWereKeptDoNoHarm() throws {
    for (name, bytes) in try FuzzCorpus.inputs(of: "relay") { try expectNoHarm(from: bytes, "\(name)") }
  }

  private func expectNoHarm(from bytes: [UInt8], _ name: Comment) throws {
    guard let frame = try? frame(bytes) else { return }
    if let request = try? RelayRequest.decode(frame) {
      #expect(try RelayRequest.decode(try #require(try self.frame(request.encoded))) == request, name)
    }
    if let relayed = try? RelayedRequest.decode(frame) {
      #expect(try RelayedRequest.decode(try #require(try self.frame(relayed.encoded))) == relayed, name)
    }
    if let answer = try? RelayAnswer.decode(frame) {
      #expect(try RelayAnswer.decode(try #require(try self.frame(answer.encoded))) == answer, name)
    }
  }
}
