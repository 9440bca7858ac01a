import EventLoop
import Primitives
import TestSupport
import Testing
import Wire

@testable import Links

/// Probes on the sockets of QUIC: they pass in both directions, and nothing else is taken for one.
@Suite(.timeLimit(.minutes(2))) struct ProbeSocketTests {
  private static let key: [UInt8] = [1, 2, 3]

  private static func probe(_ number: UInt64, _ kind: Probe.Kind = .probe) -> [UInt8] {
    Probe(kind, round: 1, session: 5, clock: number).encoded(with: key, from: .filled(with: 1))
  }

  /// What has arrived at a socket, and from which ports.
  private struct Arrived: Sendable {
    var probes: [[UInt8]] = []
    var ports: [UInt16] = []
    var expected: [UInt16] = []
  }

  /// Sends from a transport that listens at `host` to another one, until the last probe has arrived.
  private func send(
    from host: String, to target: String, _ body: @escaping @Sendable (QUICTransport, Endpoint) -> Void
  ) async throws -> Arrived {
    let last = Self.probe(99, .observe)
    var arrived = Arrived()
    try await withHosts(over: .quic) { hosts in
      arrived = await hosts.run { hosts, done in
        let transports = (0..<2).map { _ in QUICTransport(loop: hosts.loop, identity: hosts.quicIdentity) }
        guard let near = try? transports[0].listen(host: host, port: 0),
          let far = try? transports[1].listen(host: target, port: 0)
        else { return done(Arrived()) }
        var arrived = Arrived()
        arrived.expected = [near.port]
        transports[1].onProbe = { bytes, sender, _ in
          guard bytes != last else {
            transports[1].onProbe = nil
            // Not while a socket is reading.
            _ = hosts.loop.after(.zero) {
              for transport in transports { transport.close() }
              done(arrived)
            }
            return
          }
          arrived.probes.append(bytes)
          arrived.ports.append(sender.port)
        }
        body(transports[0], far)
        transports[0].send(ProbeDatagram(last, to: far))
      }
    }
    return arrived
  }

  @Test(arguments: ["127.0.0.1", "::"]) func probesArrive(host: String) async throws {
    let arrived = try await send(from: host, to: "127.0.0.1") { transport, target in
      transport.send(ProbeDatagram(Self.probe(1), to: target))
      transport.send(ProbeDatagram(Self.probe(2), to: target, hopLimit: 1))
      transport.send(ProbeDatagram(Self.probe(3, .observe), to: target, hopLimit: 5))
    }
    #expect(arrived.probes == [Self.probe(1), Self.probe(2), Self.probe(3, .observe)])
    #expect(Set(arrived.ports) == Set(arrived.expected))
  }

  /// Other lengths and other beginnings belong to QUIC, which drops them.
  @Test func nothingElseIsTakenForAProbe() async throws {
    let arrived = try await send(from: "127.0.0.1", to: "127.0.0.1") { transport, target in
      var random = SeededRandom(seed: 1)
      let probe = Self.probe(1)
      for count in 0..<probe.count { transport.send(ProbeDatagram(Array(probe.prefix(count)), to: target)) }
      for bit in 0..<32 {
        var other = probe
        other[bit / 8] ^= 1 << (bit % 8)
        transport.send(ProbeDatagram(other, to: target))
      }
      for _ in 0..<200 { transport.send(ProbeDatagram(random.bytes(random.number(1...100)), to: target)) }
    }
    #expect(arrived.probes == [])
  }

  /// The address does not exist for this socket, or nobody is there.
  @Test func whatCannotBeSentIsLost() async throws {
    let arrived = try await send(from: "127.0.0.1", to: "127.0.0.1") { transport, target in
      for text in ["[::1]:9", "127.0.0.1:9", "255.255.255.255:9"] {
        guard let endpoint = Endpoint(text) else { continue }
        transport.send(ProbeDatagram(Self.probe(1), to: endpoint))
        transport.send(ProbeDatagram(Self.probe(1), to: endpoint, hopLimit: 5))
      }
      transport.send(ProbeDatagram(Self.probe(2), to: target))
    }
    #expect(arrived.probes == [Self.probe(2)])
  }
}
