import Primitives
import Synchronization
import Testing

@testable import EventLoop

/// Operations that are running or start while a loop ends.
@Suite struct TeardownTests {
  private final class Tally: Sendable {
    private let counts = Mutex<[String: Int]>([:])
    func add(_ name: String) { counts.withLock { $0[name, default: 0] += 1 } }
    subscript(name: String) -> Int { counts.withLock { $0[name] ?? 0 } }
  }

  /// A callback at the end may open a new handle, which must not keep the loop alive.
  @Test(.timeLimit(.minutes(1))) func handlesOpenedWhileClosingAreClosedToo() async throws {
    let loop = try EventLoop(name: "teardown")
    let tally = Tally()
    await withCheckedContinuation { (continuation: CheckedContinuation<Void, Never>) in
      loop.post {
        guard let listener = try? TCPListener.listen(on: loop, host: "127.0.0.1", port: 0),
          let endpoint = listener.endpoint
        else { return continuation.resume() }
        _ = TCPConnection.connect(on: loop, to: endpoint, timeout: .seconds(5)) { result in
          guard let connection = try? result.get() else { return continuation.resume() }
          connection.onEnd = { error in
            tally.add(error?.code == .cancelled ? "ended" : "ended otherwise")
            _ = loop.after(.seconds(1_000)) { tally.add("fired") }
            _ = try? TCPListener.listen(on: loop, host: "127.0.0.1", port: 0)
            _ = TCPConnection.connect(on: loop, to: endpoint, timeout: .seconds(1_000)) { result in
              if case .failure = result { tally.add("refused") }
            }
            loop.work({ 1 }) { _ in
              tally.add("worked")
              _ = loop.after(.seconds(1_000)) { tally.add("fired") }
            }
          }
          continuation.resume()
        }
      }
    }
    await loop.shutdown()
    #expect(tally["ended"] == 1)
    #expect(tally["refused"] == 1)
    #expect(tally["worked"] == 1)
    #expect(tally["fired"] == 0)
    #expect(loop.openHandles == 0)
  }

  /// An actor outlives its loop. Its code still runs, but cannot open handles.
  @Test(.timeLimit(.minutes(1))) func aStoppedLoopOpensNothingAndAnswersEveryCaller() async throws {
    let loop = try EventLoop(name: "teardown")
    let tally = Tally()
    await loop.shutdown()
    let endpoint = try #require(Endpoint(host: "127.0.0.1", port: 9))
    await loop.run {
      let timer = loop.after(.zero) { tally.add("fired") }
      timer.cancel()
      #expect(throws: KacheryError.self) { try TCPListener.listen(on: loop, host: "127.0.0.1", port: 0) }
      #expect(throws: KacheryError.self) { try loop.watch(descriptor: 0) {} }
      #expect(throws: KacheryError.self) { try loop.onSignal(10) {} }
      _ = TCPConnection.connect(on: loop, to: endpoint, timeout: .seconds(5)) { result in
        if case .failure(let error) = result, error.code == .cancelled { tally.add("refused") }
      }
      loop.work({ 1 }) { _ in tally.add("worked") }
    }
    // The work that the closure above deferred runs before or right after its caller resumes: submit one more closure
    // after it.
    _ = await loop.run { 0 }
    #expect(tally["fired"] == 0)
    #expect(tally["refused"] == 1)
    #expect(tally["worked"] == 1)
    #expect(loop.openHandles == 0)
    #expect(!loop.isOnLoop)
  }

  /// The thread that shuts it down may ask it to close after a handle, opened meanwhile, has asked for the same.
  @Test(.timeLimit(.minutes(1))) func aStoppedLoopMayBeAskedToClose() async throws {
    let loop = try EventLoop(name: "teardown")
    await loop.shutdown()
    await loop.run { loop.core.closeEverything() }
    #expect(loop.openHandles == 0)
  }

  @Test(.timeLimit(.minutes(1))) func poolWorkIsAnsweredWheneverTheLoopEnds() async throws {
    for _ in 0..<20 {
      let loop = try EventLoop(name: "teardown")
      let tally = Tally()
      await withTaskGroup(of: Void.self) { group in
        for number in 0..<50 {
          group.addTask {
            do {
              #expect(try await loop.onPool { number } == number)
              tally.add("answered")
            } catch {
              #expect((error as? KacheryError)?.code == .cancelled)
              tally.add("answered")
            }
          }
          if number == 25 { group.addTask { await loop.shutdown() } }
        }
      }
      #expect(tally["answered"] == 50)
      #expect(loop.openHandles == 0)
    }
  }

  /// Threads that submit work and threads that wait for the end race with the end in every possible way.
  @Test(.timeLimit(.minutes(1))) func handingOverRacesWithTheEnd() async throws {
    for _ in 0..<100 {
      let loop = try EventLoop(name: "teardown")
      let tally = Tally()
      await withTaskGroup(of: Void.self) { group in
        for _ in 0..<4 {
          group.addTask { for _ in 0..<50 { loop.post { tally.add("ran") } } }
          group.addTask { await loop.shutdown() }
        }
      }
      await loop.shutdown()
      _ = await loop.run { 0 }
      #expect(tally["ran"] == 200)
    }
  }

  /// An attempt may be cancelled at any time; its resources are closed exactly once.
  @Test(.timeLimit(.minutes(1))) func anAttemptIsGivenUpAtEveryMoment() async throws {
    let loop = try EventLoop(name: "teardown")
    let tally = Tally()
    await withCheckedContinuation { (continuation: CheckedContinuation<Void, Never>) in
      loop.post {
        guard let listener = try? TCPListener.listen(on: loop, host: "127.0.0.1", port: 0),
          let endpoint = listener.endpoint
        else { return continuation.resume() }
        var givenUp = 0
        for step in 0..<40 {
          let attempt = TCPConnection.connect(on: loop, to: endpoint, timeout: .seconds(5)) { result in
            tally.add("told \(step)")
            (try? result.get())?.close()
          }
          var turns = step
          func wait() {
            if turns > 0 {
              turns -= 1
              _ = loop.after(.zero) { wait() }
              return
            }
            attempt.cancel()
            givenUp += 1
            if givenUp == 40 { continuation.resume() }
          }
          wait()
        }
      }
    }
    await loop.shutdown()
    #expect(tally["told 0"] == 0)
    for step in 1..<40 { #expect(tally["told \(step)"] <= 1) }
    #expect(loop.openHandles == 0)
  }
}
