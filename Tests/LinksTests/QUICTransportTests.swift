import EventLoop
import Primitives
import QUIC
import TestSupport
import Testing

@testable import Links

/// What QUIC does besides what every carrier does: its sockets, and strangers' datagrams.
@Suite(.timeLimit(.minutes(2))) struct QUICTransportTests {
  /// Catches what a dialer sends, instead of a node.
  private func packets(
    of count: Int, on hosts: isolated Hosts, _ done: @escaping @Sendable ([[UInt8]]) -> Void
  ) throws(KacheryError) {
    let trap = try DatagramSocket.bind(on: hosts.loop, host: "127.0.0.1", port: 0)
    var caught: [[UInt8]] = []
    var attempts: [LinkAttempt] = []
    trap.onDatagram = { packet, _ in
      guard caught.count < count else { return }
      caught.append(Array(packet))
      guard caught.count == count else { return }
      for attempt in attempts { attempt.cancel() }
      // In the next turn: the socket is still reading.
      _ = hosts.loop.after(.zero) {
        trap.close()
        done(caught)
      }
    }
    for _ in 0..<count {
      attempts.append(hosts.dialer.dial(to: trap.endpoint, expected: nil, timeout: .seconds(30)) { _ in })
    }
  }

  /// Sends datagrams to the listener from a socket of their own, and collects what comes back until `time` is over, or
  /// `isEnough` is true of it.
  private func replay(
    _ packets: [[UInt8]], on hosts: isolated Hosts, for time: Duration,
    until isEnough: @escaping ([[UInt8]]) -> Bool = { _ in false }, _ done: @escaping @Sendable ([[UInt8]]) -> Void
  ) throws(KacheryError) {
    let socket = try DatagramSocket.bind(on: hosts.loop, host: "127.0.0.1", port: 0)
    var answers: [[UInt8]] = []
    socket.onDatagram = { packet, _ in answers.append(Array(packet)) }
    guard let address = socket.address(of: hosts.endpoint) else { return done([]) }
    for packet in packets {
      packet.withUnsafeBytes { bytes in
        _ = address.withUnsafeBytes { socket.send(bytes, segment: bytes.count, to: $0) }
      }
    }
    let end = hosts.loop.now + time
    var timer: Timer?
    timer = hosts.loop.after(.milliseconds(2), repeating: .milliseconds(2)) {
      guard isEnough(answers) || hosts.loop.now >= end else { return }
      timer?.cancel()
      socket.close()
      done(answers)
    }
  }

  @Test func garbageBeginsNoHandshakeAndHarmsNone() async throws {
    try await withHosts(over: .quic) { hosts in
      let answers: [[UInt8]] = await hosts.run { hosts, done in
        var random = SeededRandom(seed: 1)
        var garbage = (0..<500).map { _ in random.bytes(random.number(1...1_500)) }
        garbage.append([0x0b, 0x6b, 0x61, 0x63] + random.bytes(44))
        garbage.append(Array("GET / HTTP/1.1\r\n\r\n".utf8))
        do throws(KacheryError) { try replay(garbage, on: hosts, for: .milliseconds(50), done) } catch { done([[]]) }
      }
      #expect(answers == [])
      #expect(await hosts.openHandshakes == 0)
      try await hosts.connect()
      #expect(await hosts.acceptedCount == 1)
    }
  }

  @Test func aSilentClientEndsAtTheDeadline() async throws {
    try await withHosts(over: .quic, handshakeTime: .milliseconds(100)) { hosts in
      let packets: [[UInt8]] = await hosts.run { hosts, done in
        do throws(KacheryError) { try self.packets(of: 1, on: hosts, done) } catch { done([]) }
      }
      #expect(packets.count == 1)
      let answers: [[UInt8]] = await hosts.run { hosts, done in
        do throws(KacheryError) { try replay(packets, on: hosts, for: .milliseconds(300), done) } catch { done([]) }
      }
      #expect(answers.reduce(0) { $0 + $1.count } <= 3 * packets[0].count)
      try await hosts.until { $0.openHandshakes == 0 && $0.refused.map(\.code) == [.timedOut] }
    }
  }

  /// Strangers fill the places for those that have proved nothing; a node that proves its address gets in all the same.
  @Test func underPressureAddressesMustBeProved() async throws {
    let count = 32
    let places = QUICEndpoint.maximumUnproved
    // A long header of the type 3 is a Retry (RFC 9000, section 17.2.5).
    @Sendable func retries(_ answers: [[UInt8]]) -> [[UInt8]] {
      answers.filter { $0.first.map { $0 & 0xb0 == 0xb0 } ?? false }
    }
    try await withHosts(over: .quic) { hosts in
      var packets: [[UInt8]] = []
      while packets.count < places + count {
        packets += await hosts.run { hosts, done in
          do throws(KacheryError) { try self.packets(of: count, on: hosts, done) } catch { done([]) }
        }
      }
      // From several addresses, as the host admits only some handshakes of each.
      let answers: [[UInt8]] = await hosts.run { [packets] hosts, done in
        hosts.listener.maximumHandshakesPerAddress = .max
        do throws(KacheryError) {
          try replay(packets, on: hosts, for: .seconds(20), until: { retries($0).count >= count }, done)
        } catch { done([]) }
      }
      let retries = retries(answers)
      #expect(retries.count == packets.count - places)
      #expect(retries.allSatisfy { $0.count < packets[0].count })
      #expect(await hosts.openHandshakes == places)
      try await hosts.connect()
      #expect(await hosts.acceptedCount == 1)
    }
  }

  @Test func anAddressGetsOnlySomeHandshakesAndTheOthersNoAnswer() async throws {
    try await withHosts(over: .quic) { hosts in
      let packets: [[UInt8]] = await hosts.run { hosts, done in
        do throws(KacheryError) { try self.packets(of: 20, on: hosts, done) } catch { done([]) }
      }
      #expect(packets.count == 20)
      let answers: [[UInt8]] = await hosts.run { hosts, done in
        hosts.listener.maximumHandshakesPerAddress = 5
        do throws(KacheryError) {
          try replay(packets, on: hosts, for: .seconds(20), until: { $0.count >= 5 }, done)
        } catch { done([]) }
      }
      #expect(answers.count >= 5)
      try await hosts.until { $0.openHandshakes == 5 }
    }
  }

  @Test func attemptsThatAreCancelledImmediatelySendNothing() async throws {
    try await withHosts(over: .quic) { hosts in
      let handles: Int = await hosts.run { hosts, done in
        let handles = hosts.loop.openHandles
        for _ in 0..<10 { hosts.dialer.dial(to: hosts.endpoint, expected: nil, timeout: .seconds(1)) { _ in }.cancel() }
        let transport = QUICTransport(loop: hosts.loop, identity: hosts.quicIdentity)
        _ = transport.dial(to: hosts.endpoint, from: .anyPort, expected: nil, timeout: .seconds(1)) { result in
          (try? result.get())?.cancel()
          done(handles)
        }
      }
      try await hosts.until { $0.loop.openHandles == handles && $0.openHandshakes == 0 }
      #expect(await hosts.refused.isEmpty)
    }
  }

  @Test func aDialerWithoutAPortOfItsOwnKeepsNoSocket() async throws {
    try await withHosts(over: .quic) { hosts in
      let handles: Int = await hosts.run { hosts, done in done(hosts.loop.openHandles) }
      try await hosts.connect()
      let used: Int = await hosts.run { hosts, done in
        done(hosts.loop.openHandles)
        for link in hosts.dialed + hosts.accepted { link.close() }
      }
      #expect(used > handles)
      try await hosts.until { $0.loop.openHandles == handles }
    }
  }

  @Test func aListenerDialsFromItsPort() async throws {
    try await withHosts(over: .quic) { hosts in
      let port: UInt16? = await hosts.run { hosts, done in
        guard let own = try? hosts.dialer.listen(host: "127.0.0.1", port: 0) else { return done(nil) }
        done(own.port)
      }
      try await hosts.connect()
      #expect(await hosts.run { hosts, done in done(hosts.accepted[0].remoteEndpoint?.port) } == port)
    }
  }

  @Test func namesAreNotDialed() async throws {
    try await withHosts(over: .quic) { hosts in
      let code: KacheryError.Code? = await hosts.run { hosts, done in
        guard let endpoint = Endpoint(host: "localhost", port: 1) else { return done(nil) }
        _ = hosts.dialer.dial(to: endpoint, expected: nil, timeout: .seconds(1)) { result in
          if case .failure(let error) = result { done(error.code) } else { done(nil) }
        }
      }
      #expect(code == .badConfiguration)
    }
  }

  /// The stop of a loop ends its links, as the end of a process does.
  @Test func theEndOfTheLoopEndsItsLinks() async throws {
    let loop = try EventLoop(name: "links")
    let hosts = try Hosts(loop, over: .quic)
    try await hosts.listen()
    try await hosts.connect()
    let codes = Codes()
    await hosts.run { hosts, done in
      for link in hosts.dialed + hosts.accepted { link.onClose = { codes.list.append($0?.code) } }
      done(())
    }
    await loop.shutdown()
    #expect(codes.list == [.disconnected, .disconnected])
    #expect(loop.openHandles == 0)
  }

  // Only the loop's thread touches it while the loop runs.
  private final class Codes: @unchecked Sendable { var list: [KacheryError.Code?] = [] }

  @Test func whatThePeerHasIsCounted() async throws {
    let bytes = PatternBytes.make(3 << 20)
    try await withHosts(over: .quic) { hosts in
      try await hosts.connect()
      let received: Received = await hosts.run { hosts, done in
        hosts.accepted[0].onStream = { stream in drain(stream) { done($0) } }
        pour(bytes, into: hosts.dialed[0].openStream())
      }
      #expect(received == .all(bytes))
      try await hosts.until { $0.dialed[0].carrier.delivery?.unacknowledged == 0 }
      let (delivery, sent, arrived, pending): (DeliveryState?, UInt64, UInt64, Int) = await hosts.run { hosts, done in
        let link = hosts.dialed[0]
        done((link.carrier.delivery, link.traffic.sent, hosts.accepted[0].traffic.received, link.pendingBytes))
      }
      #expect(delivery?.acknowledged == UInt64(bytes.count))
      #expect(sent == UInt64(bytes.count) && arrived == sent)
      #expect(pending == 0)
    }
  }
}
