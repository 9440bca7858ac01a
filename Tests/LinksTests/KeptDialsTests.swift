import EventLoop
import Primitives
import TestSupport
import Testing

@testable import Links

/// Dials that nothing answers, because the listener at their other end ignores every packet.
@Suite(.timeLimit(.minutes(1))) struct KeptDialsTests {
  private func withListeners(_ body: @escaping @Sendable (KeptDials, _ dial: (Int) -> Void) -> Void) async throws {
    let loop = try EventLoop(name: "kept dials")
    try await loop.run {
      let own = try TCPListener.listen(on: loop, host: "0.0.0.0", port: 0)
      let deaf = try TCPListener.listen(on: loop, host: "0.0.0.0", port: 0)
      let (from, to) = (try #require(own.endpoint?.port), try #require(deaf.endpoint?.port))
      try #require(DeafListener.make(port: to))
      let kept = KeptDials(loop: loop)
      body(kept) { number in
        guard let endpoint = Endpoint(host: "127.0.0.\(number)", port: to) else { return }
        kept.keep(SingleDial(on: loop, to: endpoint, from: from) { _ in }, of: endpoint)
      }
      kept.close()
      #expect(kept.count == 0)
      own.close()
      deaf.close()
    }
    await loop.shutdown()
    #expect(loop.openHandles == 0)
  }

  @Test func theOldestMakesRoom() async throws {
    try await withListeners { kept, dial in
      for number in 1...KeptDials.maximumCount { dial(number) }
      #expect(kept.count == KeptDials.maximumCount)
      dial(100)
      dial(2)
      #expect(kept.count == KeptDials.maximumCount)
    }
  }
}
