import EventLoop
import Primitives
import Testing

/// After an `await` that throws, code resumes on the loop, as after one that does not throw. Only optimized builds
/// (`swift test -c release --filter ErrorPathTests`) ever behaved otherwise.
@Suite(.timeLimit(.minutes(1))) struct ErrorPathTests {
  private static func fail() throws(KacheryError) { throw KacheryError(.internalError, "It failed.") }

  /// Asynchronous methods outside an actor run on their caller's executor.
  private final class Bystander {
    let loop: EventLoop

    init(_ loop: EventLoop) { self.loop = loop }

    func fail() async throws(KacheryError) {
      try await loop.onPool(ErrorPathTests.fail)
    }

    func catchesOnLoop() async -> Bool {
      do { try await fail() } catch { return loop.isOnLoop }
      return false
    }

    func catchesDirectlyOnLoop() async -> Bool {
      do { try await loop.onPool(ErrorPathTests.fail) } catch { return loop.isOnLoop }
      return false
    }

    func defersOnLoop() async -> Bool {
      var isOnLoop = false
      func run() async throws {
        defer { isOnLoop = loop.isOnLoop }
        try await fail()
      }
      try? await run()
      return isOnLoop
    }
  }

  private actor Resident {
    nonisolated let loop: EventLoop
    nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

    init(_ loop: EventLoop) { self.loop = loop }

    func own() async -> Bool {
      do { try await loop.onPool(ErrorPathTests.fail) } catch { return loop.isOnLoop }
      return false
    }

    func ofBystander() async -> Bool {
      do { try await Bystander(loop).fail() } catch { return loop.isOnLoop }
      return false
    }

    func within() async -> [Bool] {
      let bystander = Bystander(loop)
      return [
        await bystander.catchesOnLoop(), await bystander.catchesDirectlyOnLoop(), await bystander.defersOnLoop(),
      ]
    }
  }

  @Test func anActorCatchesOnItsLoop() async throws {
    let loop = try EventLoop(name: "errors")
    let resident = Resident(loop)
    #expect(await resident.own())
    #expect(await resident.ofBystander())
    #expect(await resident.within() == [true, true, true])
    await loop.shutdown()
  }
}
