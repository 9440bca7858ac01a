import Crypto
import Primitives
import Testing

@testable import Links

/// What the two ends of a link prove to each other, over each carrier.
@Suite(.timeLimit(.minutes(1))) struct CarrierIdentityTests {
  @Test(arguments: CarrierKind.allCases) func bothEndsKnowEachOther(kind: CarrierKind) async throws {
    let identities = try TestIdentities.shared.get()
    try await withHosts(over: kind) { hosts in
      try await hosts.connect(expecting: identities.listenerID)
      let peers: [NodeID] = await hosts.run { hosts, done in done([hosts.dialed[0].peer, hosts.accepted[0].peer]) }
      #expect(peers == [identities.listenerID, identities.dialerID])
      let dialers: [Bool] = await hosts.run { hosts, done in
        done([hosts.dialed[0].isDialer, hosts.accepted[0].isDialer])
      }
      #expect(dialers == [true, false])
    }
  }

  @Test(arguments: CarrierKind.allCases) func theBindingBelongsToOneLink(kind: CarrierKind) async throws {
    try await withHosts(over: kind) { hosts in
      for _ in 0..<3 { try await hosts.connect() }
      let (dialed, accepted): ([[UInt8]], [[UInt8]]) = await hosts.run { hosts, done in
        done((hosts.dialed.map(\.channelBinding), hosts.accepted.map(\.channelBinding)))
      }
      #expect(dialed == accepted)
      #expect(Set(dialed).count == 3)
      #expect(dialed.allSatisfy { $0.count == 32 })
    }
  }

  @Test(arguments: CarrierKind.allCases) func aWrongNodeIsRefused(kind: CarrierKind) async throws {
    let other = try SigningKey.generate().publicKey
    try await withHosts(over: kind) { hosts in
      await #expect { try await hosts.connect(expecting: other) } throws: {
        ($0 as? KacheryError)?.code == .protocolViolation
      }
      try await hosts.until { $0.refused.count == 1 && $0.listener.openHandshakes == 0 }
      #expect(await hosts.acceptedCount == 0)
    }
  }

  @Test(arguments: CarrierKind.allCases) func anotherProtocolIsRefusedAtBothEnds(kind: CarrierKind) async throws {
    try await withHosts(over: kind, dialerProtocol: "other/1") { hosts in
      await #expect { try await hosts.connect() } throws: { ($0 as? KacheryError)?.code == .protocolViolation }
      try await hosts.until { $0.refused.count == 1 && $0.listener.openHandshakes == 0 }
      #expect(await hosts.acceptedCount == 0)
    }
  }

  @Test(arguments: CarrierKind.overPipes) func garbageInPlaceOfAHandshakeIsDropped(kind: CarrierKind) async throws {
    try await withHosts(over: kind) { hosts in
      let ended: Bool = await hosts.run { hosts, done in
        hosts.openPipe { pipe in
          guard let pipe else { return done(false) }
          pipe.onEnd = { _ in
            _ = pipe
            done(true)
          }
          pipe.resumeReading()
          Array("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".utf8).withUnsafeBytes { pipe.write($0) }
        }
      }
      #expect(ended)
      try await hosts.until { $0.refused.count == 1 && $0.listener.openHandshakes == 0 }
      #expect(await hosts.acceptedCount == 0)
    }
  }

  @Test(arguments: CarrierKind.overPipes) func aSilentHandshakeEndsAtItsDeadline(kind: CarrierKind) async throws {
    try await withHosts(over: kind, handshakeTime: .milliseconds(50)) { hosts in
      let ended: Bool = await hosts.run { hosts, done in
        hosts.openPipe { pipe in
          guard let pipe else { return done(false) }
          pipe.onEnd = { _ in
            _ = pipe
            done(true)
          }
          pipe.resumeReading()
        }
      }
      #expect(ended)
      #expect(await hosts.refused.map(\.code) == [.timedOut])
      #expect(await hosts.openHandshakes == 0)
    }
  }
}
