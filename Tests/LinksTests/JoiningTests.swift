import EventLoop
import Primitives
import TestSupport
import Testing
import Wire

@testable import Links

/// Lanes through a relay, over loopback: both nodes dial it, and prove their IDs to each other inside.
@Suite(.timeLimit(.minutes(1))) struct JoiningTests {
  private static let token: LaneToken = .filled(with: 0xA5)

  private func withHosts(
    isRelay: Bool = true, _ body: (JoinedHosts) async throws -> Void
  ) async throws {
    let hosts = try JoinedHosts(try EventLoop(name: "joining"))
    try await hosts.listen(isRelay: isRelay)
    try await body(hosts)
    await hosts.close()
    await hosts.loop.shutdown()
    #expect(hosts.loop.openHandles == 0)
  }

  @Test(arguments: [[0, 1], [1, 0]]) func bothNodesProveTheirIDs(order: [Int]) async throws {
    try await withHosts { hosts in
      for index in order { await hosts.join(index, Self.token) }
      try await hosts.until { $0.links.count == 2 }
      #expect(await hosts.roles == [true, false], "the opener is the client of TLS")
      #expect(await hosts.peers == [1, 0])
      #expect(await hosts.haveSameBinding)
      let bytes = PatternBytes.make(4 << 20)
      #expect(await hosts.send(bytes) == bytes)
      await hosts.closeLink(0)
      try await hosts.until { $0.ends == [nil, nil] && $0.hasSpliceEnded }
      #expect(await hosts.openHandshakes == [0, 0, 0])
    }
  }

  /// The relay, or a thief of the token, cannot pose as the other node.
  @Test func anotherNodeIsRefused() async throws {
    try await withHosts { hosts in
      await hosts.join(0, Self.token, expecting: .filled(with: 9))
      await hosts.join(1, Self.token)
      try await hosts.until { $0.failures.count == 2 }
      #expect(await hosts.peers == [nil, nil])
    }
  }

  @Test func aPreambleMayArriveByteByByte() async throws {
    try await withHosts { hosts in
      await hosts.connect([JoinPreamble(Self.token, as: .opener).encoded], byteByByte: true)
      try await hosts.until { $0.halves.count == 1 }
      #expect(await hosts.halves == [JoinPreamble(Self.token, as: .opener)])
      #expect(await hosts.openHandshakes[2] == 0, "it is no handshake anymore")
    }
  }

  /// The relay sends nothing on connections that begin with anything else, and closes them.
  @Test func everythingElseIsClosed() async throws {
    try await withHosts { hosts in
      let preamble = JoinPreamble(Self.token, as: .opener).encoded
      var otherRole = preamble
      otherRole[5] = 7
      await hosts.connect([preamble + [1], otherRole])
      try await hosts.until { $0.endedStrangers == 2 }
      #expect(await hosts.halves.isEmpty)
      #expect(await hosts.bytesAtStrangers == 0)
      #expect(await hosts.openHandshakes[2] == 0)
    }
  }

  /// A node that has shown its token waits. If it sends more, or ends, its half is gone.
  @Test(arguments: [true, false]) func aHalfThatDoesAnythingIsGone(sends: Bool) async throws {
    try await withHosts { hosts in
      await hosts.connect([JoinPreamble(Self.token, as: .opener).encoded])
      try await hosts.until { $0.halves.count == 1 }
      await hosts.strangersGoOn(sending: sends ? [1] : nil)
      try await hosts.until { $0.endedHalves == 1 }
      if sends { try await hosts.until { $0.endedStrangers == 1 } }
    }
  }

  @Test func aNodeThatDoesNotRelayClosesThem() async throws {
    try await withHosts(isRelay: false) { hosts in
      await hosts.connect([JoinPreamble(Self.token, as: .opener).encoded])
      try await hosts.until { $0.endedStrangers == 1 }
      await hosts.join(0, Self.token)
      try await hosts.until { $0.failures == [.disconnected] }
    }
  }

  /// Neither a slow nor a silent stranger holds a place for longer than another one.
  @Test func slowPreamblesAreBounded() async throws {
    try await withHosts { hosts in
      let begun = hosts.loop.now
      let preamble = JoinPreamble(Self.token, as: .opener).encoded
      await hosts.connect([Array(preamble.prefix(5)), Array(preamble.prefix(31))])
      try await hosts.until { $0.endedStrangers == 2 }
      #expect(hosts.loop.now - begun >= TCPPath.time - .milliseconds(100))
      #expect(await hosts.halves.isEmpty)
      #expect(await hosts.openHandshakes[2] == 0)
    }
  }

  // MARK: The two nodes

  @Test(arguments: [[], [0], [2, 1], Array("HTTP/1.1 400 Bad Request\r\n\r\n".utf8)])
  func aRelayThatDoesNotJoinIsNoLane(answer: [UInt8]) async throws {
    try await withHosts { hosts in
      try await hosts.answer(answer)
      await hosts.join(0, Self.token)
      try await hosts.until { $0.failures.count == 1 }
      #expect(await hosts.failures == [answer.isEmpty ? .disconnected : .protocolViolation])
    }
  }

  @Test func theOtherNodeIsNotWaitedForForever() async throws {
    try await withHosts { hosts in
      await hosts.join(0, Self.token, timeout: .milliseconds(500))
      try await hosts.until { $0.failures.count == 1 }
      #expect(await hosts.failures == [.timedOut])
      try await hosts.until { $0.endedHalves == 1 }
    }
  }

  @Test func aCancelledOpeningReportsNothing() async throws {
    try await withHosts { hosts in
      await hosts.join(0, Self.token)
      try await hosts.until { $0.halves.count == 1 }
      await hosts.cancel()
      try await hosts.until { $0.endedHalves == 1 }
      #expect(await hosts.failures.isEmpty)
    }
  }
}
