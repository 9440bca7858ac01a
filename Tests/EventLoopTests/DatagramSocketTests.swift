import EventLoop
import Primitives
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(1))) struct DatagramSocketTests {
  /// Runs `body` on a loop, and waits for what it passes on.
  private func onLoop<T: Sendable>(
    _ body: @escaping @Sendable (EventLoop, CheckedContinuation<T, Never>) throws(KacheryError) -> Void
  ) async throws -> T {
    let loop = try EventLoop(name: "datagrams")
    let result: T = await withCheckedContinuation { continuation in
      loop.post {
        do throws(KacheryError) { try body(loop, continuation) } catch {
          preconditionFailure("the loopback interface carries datagrams: \(error)")
        }
      }
    }
    await loop.shutdown()
    #expect(loop.openHandles == 0)
    return result
  }

  /// Both families, and IPv4 between an IPv6 socket and another one.
  @Test(arguments: [("127.0.0.1", "127.0.0.1"), ("::1", "::1"), ("::", "127.0.0.1")])
  func aTrainArrivesAsItsDatagrams(receiving: String, sending: String) async throws {
    let bytes = PatternBytes.make(30_500)
    let (received, isFromSender): ([[UInt8]], Bool) = try await onLoop { (loop, done) throws(KacheryError) in
      let receiver = try DatagramSocket.bind(on: loop, host: receiving, port: 0)
      let sender = try DatagramSocket.bind(on: loop, host: sending, port: 0)
      var received: [[UInt8]] = []
      var isFromSender = true
      receiver.onDatagram = { datagram, address in
        received.append(Array(datagram))
        isFromSender = isFromSender && DatagramSocket.endpoint(of: address) == sender.endpoint
        if received.count == 26 { done.resume(returning: (received, isFromSender)) }
      }
      guard let endpoint = Endpoint(host: sending, port: receiver.endpoint.port),
        let address = sender.address(of: endpoint)
      else { throw KacheryError(.internalError, "no address") }
      for half in [bytes[..<15_000], bytes[15_000...]] {
        Array(half).withUnsafeBytes { half in
          _ = address.withUnsafeBytes { sender.send(half, segment: 1_200, to: $0) }
        }
      }
    }
    #expect(received.flatMap(\.self) == bytes)
    #expect(Set(received.map(\.count)) == [1_200, 600, 1_100])
    #expect(isFromSender)
  }

  /// Three trains that the socket receives with one call: a side that waits for the answer to the first would stand still.
  @Test func longBatchesAreAnsweredBeforeTheirEnd() async throws {
    let trains = 3
    let bytes = PatternBytes.make(52_800)
    let answered: [Int] = try await onLoop { (loop, done) throws(KacheryError) in
      let receiver = try DatagramSocket.bind(on: loop, host: "127.0.0.1", port: 0)
      let sender = try DatagramSocket.bind(on: loop, host: "127.0.0.1", port: 0)
      var received = 0
      var answered: [Int] = []
      receiver.onDatagram = { datagram, _ in received += datagram.count }
      receiver.onBatchEnd = {
        answered.append(received)
        if received == trains * bytes.count { done.resume(returning: answered) }
      }
      guard let address = sender.address(of: receiver.endpoint) else {
        throw KacheryError(.internalError, "no address")
      }
      for _ in 0..<trains {
        bytes.withUnsafeBytes { bytes in
          _ = address.withUnsafeBytes { sender.send(bytes, segment: 1_200, to: $0) }
        }
      }
    }
    #expect(answered == (1...trains).map { $0 * bytes.count })
  }

  @Test func aPortIsTakenOnce() async throws {
    let code: KacheryError.Code? = try await onLoop { (loop, done) throws(KacheryError) in
      let first = try DatagramSocket.bind(on: loop, host: "127.0.0.1", port: 0)
      do throws(KacheryError) {
        _ = try DatagramSocket.bind(on: loop, host: "127.0.0.1", port: first.endpoint.port)
        done.resume(returning: nil)
      } catch {
        done.resume(returning: error.code)
      }
    }
    #expect(code == .alreadyRunning)
  }

  @Test func anAddressOfTheOtherFamilyHasNoForm() async throws {
    let forms: [Bool] = try await onLoop { (loop, done) throws(KacheryError) in
      let four = try DatagramSocket.bind(on: loop, host: "127.0.0.1", port: 0)
      let six = try DatagramSocket.bind(on: loop, host: "::", port: 0)
      let endpoints = ["127.0.0.1", "::1", "example.org"].compactMap { Endpoint(host: $0, port: 1) }
      done.resume(returning: [four, six].flatMap { socket in endpoints.map { socket.address(of: $0) != nil } })
    }
    #expect(forms == [true, false, false, true, true, false])
  }

  @Test func theEndOfTheLoopIsReported() async throws {
    let loop = try EventLoop(name: "datagrams")
    let ends = Ends()
    try await loop.run { () throws(KacheryError) in
      let socket = try DatagramSocket.bind(on: loop, host: "127.0.0.1", port: 0)
      socket.onLoopEnd = { ends.count += 1 }
    }
    await loop.shutdown()
    #expect(ends.count == 1)
    #expect(loop.openHandles == 0)
  }

  /// Counts on the loop, and is read after its end.
  // Only the loop's thread touches it while the loop runs.
  private final class Ends: @unchecked Sendable { var count = 0 }
}

@Suite(.timeLimit(.minutes(1))) struct PreciseTimerTests {
  @Test func itFiresOnceAtItsTimeAndCanBeSetAgain() async throws {
    let loop = try EventLoop(name: "timer")
    let (early, count): (Bool, Int) = await withCheckedContinuation { done in
      loop.post {
        var (count, isEarly) = (0, false)
        var due = loop.now + .microseconds(300)
        var own: PreciseTimer?
        own = try? PreciseTimer(on: loop) {
          count += 1
          isEarly = isEarly || loop.now < due
          guard count < 5 else {
            own?.close()
            return done.resume(returning: (isEarly, count))
          }
          // The last one is in the past.
          due = count == 4 ? Instant(nanoseconds: 5) : loop.now + .microseconds(300)
          own?.set(loop.now + .seconds(100))
          own?.set(due)
        }
        own?.set(due)
      }
    }
    #expect(!early && count == 5)
    await loop.shutdown()
    #expect(loop.openHandles == 0)
  }

  @Test func itDoesNotFireWhenItIsSetToNever() async throws {
    let loop = try EventLoop(name: "timer")
    let fired: Bool = await withCheckedContinuation { done in
      loop.post {
        var hasFired = false
        let timer = try? PreciseTimer(on: loop) { hasFired = true }
        timer?.set(loop.now + .milliseconds(1))
        timer?.set(nil)
        _ = loop.after(.milliseconds(20)) {
          timer?.close()
          done.resume(returning: hasFired)
        }
      }
    }
    #expect(!fired)
    await loop.shutdown()
    #expect(loop.openHandles == 0)
  }
}
