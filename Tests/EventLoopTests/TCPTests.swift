import EventLoop
import Primitives
import Synchronization
import Testing

@Suite struct TCPTests {
  /// Passes a pair of connected sockets to the body on the loop.
  private func withPair<T: Sendable>(
    _ body: @escaping @Sendable (EventLoop, TCPConnection, TCPConnection, CheckedContinuation<T, Never>) -> Void
  ) async throws -> T {
    let loop = try EventLoop(name: "tcp")
    let result: T = await withCheckedContinuation { continuation in
      loop.post {
        guard let listener = try? TCPListener.listen(on: loop, host: "127.0.0.1", port: 0),
          let endpoint = listener.endpoint
        else { preconditionFailure("no listener") }
        var accepted: TCPConnection?
        var dialed: TCPConnection?
        let both = {
          guard let accepted, let dialed else { return }
          listener.close()
          body(loop, dialed, accepted, continuation)
        }
        listener.onConnection = { connection in
          accepted = connection
          both()
        }
        _ = TCPConnection.connect(on: loop, to: endpoint, timeout: .seconds(5)) { result in
          dialed = try? result.get()
          both()
        }
      }
    }
    await loop.shutdown()
    #expect(loop.openHandles == 0)
    return result
  }

  @Test func aConnectionReportsWhatTheOtherEndAcknowledged() async throws {
    let total = 8 << 20
    let (first, last): (DeliveryState?, DeliveryState?) = try await withPair { loop, dialed, accepted, continuation in
      var received = 0
      accepted.onData = { received += $0.count }
      dialed.limitUnsentBytes()
      dialed.write([UInt8](repeating: 1, count: total))
      let first = dialed.delivery
      accepted.resumeReading()
      var timer: Timer?
      timer = loop.after(.zero, repeating: .milliseconds(1)) {
        guard received == total, dialed.delivery?.unacknowledged == 0 else { return }
        timer?.cancel()
        let last = dialed.delivery
        dialed.close()
        accepted.close()
        continuation.resume(returning: (first, dialed.delivery == nil ? last : nil))
      }
    }
    #expect(first.map { Int($0.acknowledged) + $0.unacknowledged } == total)
    #expect(first.map { $0.unacknowledged > 0 && $0.timeouts == 0 } == true)
    #expect(last == DeliveryState(acknowledged: UInt64(total), unacknowledged: 0))
  }

  /// On the loopback interface, segments have up to 65,483 bytes.
  @Test(arguments: [nil, 1_200]) func segmentsCanBeLimited(limit: Int?) async throws {
    let loop = try EventLoop(name: "tcp")
    let asked: ([String], Int?) = await withCheckedContinuation { continuation in
      loop.post {
        guard let listener = try? TCPListener.listen(on: loop, host: "127.0.0.1", port: 0),
          let endpoint = listener.endpoint
        else { preconditionFailure("no listener") }
        var hosts: [String] = []
        listener.onConnection = { accepted in
          listener.close()
          continuation.resume(returning: (hosts, accepted.segmentBytes))
          accepted.close()
        }
        _ = TCPConnection.connect(
          on: loop, to: endpoint, timeout: .seconds(5),
          maximumSegment: { host in
            hosts.append(host)
            return limit
          }, { _ in })
      }
    }
    await loop.shutdown()
    #expect(asked.0 == ["127.0.0.1"])
    #expect(asked.1.map { limit == nil ? $0 > 10_000 : $0 <= 1_200 } == true, "\(asked)")
  }

  @Test func bytesArriveInOrderHoweverManyAreWritten() async throws {
    let total = 20_000_000
    let received: [UInt8] = try await withPair { _, dialed, accepted, continuation in
      var bytes: [UInt8] = []
      accepted.onData = { bytes.append(contentsOf: $0) }
      accepted.onEnd = { _ in continuation.resume(returning: bytes) }
      accepted.resumeReading()
      var sent = 0
      func send() {
        while sent < total, dialed.pendingBytes < 1 << 20 {
          let count = min(100_000, total - sent)
          dialed.write((sent..<sent + count).map { UInt8(truncatingIfNeeded: $0 / 7) })
          sent += count
        }
        if sent == total, dialed.pendingBytes == 0 { dialed.close() }
      }
      dialed.onDrain = { send() }
      send()
    }
    #expect(received.count == total)
    #expect(received == (0..<total).map { UInt8(truncatingIfNeeded: $0 / 7) })
  }

  @Test func aSlowReaderStopsTheWriter() async throws {
    let (pending, drained): (Int, Bool) = try await withPair { loop, dialed, accepted, continuation in
      var count = 0
      for _ in 0..<200 { dialed.write([UInt8](repeating: 1, count: 256 << 10)) }
      let pending = dialed.pendingBytes
      accepted.onData = { count += $0.count }
      dialed.onDrain = {
        dialed.onDrain = nil
        continuation.resume(returning: (pending, true))
      }
      accepted.resumeReading()
    }
    #expect(pending > 10 << 20)
    #expect(drained)
  }

  /// Its bytes take a microsecond each, as small messages do.
  @Test func aBusyConnectionLeavesTimeForOthers() async throws {
    let turns: Int = try await withPair { loop, dialed, accepted, continuation in
      var (count, turns) = (0, 0)
      var timer: Timer?
      timer = loop.after(.zero, repeating: .milliseconds(1)) { turns += 1 }
      accepted.onData = { bytes in
        let end = loop.now + .microseconds(bytes.count)
        while loop.now < end {}
        count += bytes.count
        guard count > 600_000 else { return }
        timer?.cancel()
        accepted.close()
        continuation.resume(returning: turns)
      }
      dialed.write([UInt8](repeating: 1, count: 4 << 20))
      accepted.resumeReading()
    }
    // The first read may take a quarter of a second.
    #expect(turns > 20)
  }

  /// Also while other connections have their turns.
  @Test func nothingArrivesWhileReadingIsPaused() async throws {
    let (paused, all): (Int, Int) = try await withPair { loop, dialed, accepted, continuation in
      var count = 0
      let total = 2 << 20
      accepted.onData = { bytes in
        let isFirst = count == 0
        count += bytes.count
        guard isFirst else { return }
        // The others' turn comes, and meanwhile the reader decides to wait.
        let end = loop.now + .milliseconds(6)
        while loop.now < end {}
        loop.later {
          accepted.pauseReading()
          let before = count
          _ = loop.after(.milliseconds(50)) {
            let paused = count - before
            accepted.onData = { bytes in
              count += bytes.count
              if count == total { continuation.resume(returning: (paused, count)) }
            }
            accepted.resumeReading()
          }
        }
      }
      dialed.write([UInt8](repeating: 1, count: total))
      accepted.resumeReading()
    }
    #expect(paused == 0)
    #expect(all == 2 << 20)
  }

  @Test func theEndIsReportedExactlyOnce() async throws {
    let ends: Int = try await withPair { loop, dialed, accepted, continuation in
      var ends = 0
      accepted.onEnd = { error in
        ends += 1
        #expect(error == nil)
        accepted.close()
        _ = loop.after(.milliseconds(5)) { continuation.resume(returning: ends) }
      }
      accepted.resumeReading()
      dialed.close()
      dialed.close()
      dialed.write([1])
    }
    #expect(ends == 1)
  }

  @Test func closingInsideACallbackIsSafe() async throws {
    let count: Int = try await withPair { _, dialed, accepted, continuation in
      var count = 0
      accepted.onData = { bytes in
        count += bytes.count
        accepted.close()
        dialed.close()
        continuation.resume(returning: count)
      }
      accepted.resumeReading()
      dialed.write([1, 2, 3])
    }
    #expect(count == 3)
  }

  @Test func aRefusedConnectionIsAnError() async throws {
    let loop = try EventLoop(name: "tcp")
    let code: KacheryError.Code? = await withCheckedContinuation { continuation in
      loop.post {
        // Bound and closed again, so nothing is listening there now.
        let listener = try? TCPListener.listen(on: loop, host: "127.0.0.1", port: 0)
        guard let endpoint = listener?.endpoint else { return continuation.resume(returning: nil) }
        listener?.close()
        _ = TCPConnection.connect(on: loop, to: endpoint, timeout: .seconds(5)) { result in
          if case .failure(let error) = result {
            continuation.resume(returning: error.code)
          } else {
            continuation.resume(returning: nil)
          }
        }
      }
    }
    #expect(code == .disconnected)
    await loop.shutdown()
    #expect(loop.openHandles == 0)
  }

  @Test func aCancelledAttemptReportsNothing() async throws {
    let loop = try EventLoop(name: "tcp")
    let calls = Atomic<Int>(0)
    _ = try await loop.run {
      let listener = try TCPListener.listen(on: loop, host: "127.0.0.1", port: 0)
      guard let endpoint = listener.endpoint else { return }
      let attempt = TCPConnection.connect(on: loop, to: endpoint, timeout: .seconds(5)) { _ in
        calls.wrappingAdd(1, ordering: .relaxed)
      }
      attempt.cancel()
      attempt.cancel()
    }
    await loop.shutdown()
    #expect(calls.load(ordering: .relaxed) == 0)
    #expect(loop.openHandles == 0)
  }

  @Test func aPortThatIsTakenIsNamed() async throws {
    let loop = try EventLoop(name: "tcp")
    await #expect {
      _ = try await loop.run {
        let first = try TCPListener.listen(on: loop, host: "127.0.0.1", port: 0)
        guard let port = first.endpoint?.port else { return }
        _ = try TCPListener.listen(on: loop, host: "127.0.0.1", port: port)
      }
    } throws: {
      ($0 as? KacheryError)?.code == .alreadyRunning
    }
    await loop.shutdown()
  }
}
