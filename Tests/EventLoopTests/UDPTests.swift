import EventLoop
import Primitives
import Testing

@Suite struct UDPTests {
  private static let host = "127.0.0.1"
  /// A group that no other program uses.
  private static let group = "239.255.107.98"

  /// Opens three sockets on the loopback interface: one that sends to the group, and two that receive what is sent there.
  private func withGroup<T: Sendable>(
    _ body: @escaping @Sendable (EventLoop, _ sender: UDPSocket, [UDPSocket], CheckedContinuation<T, Never>) -> Void
  ) async throws -> T {
    let loop = try EventLoop(name: "udp")
    let result: T = await withCheckedContinuation { continuation in
      loop.post {
        do throws(KacheryError) {
          let one = try UDPSocket.receive(on: loop, group: Self.group, port: 0, at: Self.host)
          let two = try UDPSocket.receive(on: loop, group: Self.group, port: one.endpoint?.port ?? 0, at: Self.host)
          let sender = try UDPSocket.bind(on: loop, host: Self.host, port: 0)
          try sender.sendToGroups(at: Self.host)
          for socket in [one, two, sender] { socket.resumeReceiving() }
          body(loop, sender, [one, two], continuation)
        } catch {
          preconditionFailure("the loopback interface carries multicast: \(error)")
        }
      }
    }
    await loop.shutdown()
    #expect(loop.openHandles == 0)
    return result
  }

  @Test func allMembersOfAGroupReceiveAndCanAnswer() async throws {
    let (heard, answers, senders): ([[UInt8]], [[UInt8]], Bool) = try await withGroup {
      loop, sender, receivers, continuation in
      var heard: [[UInt8]] = []
      var answers: [[UInt8]] = []
      var isRight = true
      let other = try? UDPSocket.bind(on: loop, host: Self.host, port: 0)
      for receiver in receivers {
        receiver.onDatagram = { datagram, from in
          heard.append(datagram)
          isRight = isRight && from == sender.endpoint
          other?.send([7, UInt8(heard.count)], to: from.host, port: from.port)
        }
      }
      sender.onDatagram = { datagram, from in
        answers.append(datagram)
        isRight = isRight && from == other?.endpoint
        if answers.count == 2 { continuation.resume(returning: (heard, answers, isRight)) }
      }
      #expect(sender.send([1, 2, 3], to: Self.group, port: receivers[0].endpoint?.port ?? 0))
    }
    #expect(heard == [[1, 2, 3], [1, 2, 3]])
    #expect(answers == [[7, 1], [7, 2]])
    #expect(senders)
  }

  @Test func largeDatagramsAreDropped() async throws {
    let sizes: [Int] = try await withGroup { _, sender, receivers, continuation in
      var sizes: [Int] = []
      receivers[0].onDatagram = { datagram, _ in
        sizes.append(datagram.count)
        if datagram.count == 1 { continuation.resume(returning: sizes) }
      }
      for size in [UDPSocket.maximumDatagram, UDPSocket.maximumDatagram + 1, 40_000, 1] {
        sender.send([UInt8](repeating: 5, count: size), to: Self.group, port: receivers[0].endpoint?.port ?? 0)
      }
    }
    #expect(sizes == [UDPSocket.maximumDatagram, 1])
  }

  @Test func aPausedSocketReceivesLater() async throws {
    let (early, late): (Int, Int) = try await withGroup { loop, sender, receivers, continuation in
      var (count, paused) = (0, 0)
      receivers[0].onDatagram = { _, _ in
        count += 1
        if count == 1 { receivers[0].pauseReceiving() }
        if count == 3 { continuation.resume(returning: (paused, count)) }
      }
      // The other one shows that everything has arrived.
      receivers[1].onDatagram = { datagram, _ in
        guard datagram == [3] else { return }
        paused = count
        receivers[0].resumeReceiving()
      }
      for number in 1...3 as ClosedRange<UInt8> {
        sender.send([number], to: Self.group, port: receivers[0].endpoint?.port ?? 0)
      }
    }
    #expect(early <= 1 && late == 3)
  }

  @Test func aClosedSocketIsSilent() async throws {
    let (wasSent, count): (Bool, Int) = try await withGroup { loop, sender, receivers, continuation in
      var count = 0
      let port = receivers[0].endpoint?.port ?? 0
      receivers[0].onDatagram = { _, _ in
        count += 1
        // From inside the callback, with another datagram behind it.
        receivers[0].close()
        receivers[0].close()
      }
      receivers[1].onDatagram = { datagram, _ in
        guard datagram == [2] else { return }
        sender.close()
        let wasSent = sender.send([3], to: Self.group, port: port)
        receivers[0].resumeReceiving()
        receivers[0].pauseReceiving()
        continuation.resume(returning: (wasSent, count))
      }
      sender.send([1], to: Self.group, port: port)
      sender.send([2], to: Self.group, port: port)
    }
    #expect(!wasSent && count <= 1)
  }

  @Test func whatCannotBeSentIsReported() async throws {
    let sent: [Bool] = try await withGroup { _, sender, _, continuation in
      let tries = [("fe80::1%no-such-device", [UInt8](arrayLiteral: 1)), ("name", [1]), ("::1", [1])]
      let tooLarge = sender.send([UInt8](repeating: 1, count: 70_000), to: Self.host, port: 9)
      continuation.resume(returning: tries.map { sender.send($1, to: $0, port: 9) } + [tooLarge])
    }
    #expect(sent == [false, false, false, false])
  }

  @Test(arguments: ["192.0.2.1", "fe80::1%no-such-device", "name", "::1"])
  func anAddressThatTheMachineDoesNotHaveIsRefused(host: String) async throws {
    let loop = try EventLoop(name: "udp")
    let group = host.utf8.contains(UInt8(ascii: ":")) ? "ff12::6b62" : Self.group
    await #expect(throws: KacheryError.self) {
      try await loop.run { () throws(KacheryError) -> Void in
        _ = try UDPSocket.receive(on: loop, group: group, port: 0, at: host)
      }
    }
    await loop.shutdown()
    #expect(loop.openHandles == 0)
    await #expect(throws: KacheryError.self) {
      try await loop.run { () throws(KacheryError) -> Void in _ = try UDPSocket.bind(on: loop, host: Self.host, port: 0)
      }
    }
  }
}
