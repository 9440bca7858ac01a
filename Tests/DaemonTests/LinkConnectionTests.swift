import Crypto
import EventLoop
import Links
import NodeCore
import Primitives
import TLS
import Testing
import Wire

@testable import Daemon

/// The messages of a link whose other end does not behave.
@Suite struct LinkConnectionTests {
  /// Two ends of one link on a loop.
  private actor Ends {
    let loop: EventLoop
    private let dialing: LinkHost
    private let listening: LinkHost
    private var dialed: Link?
    private var accepted: Link?

    nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

    init() throws {
      loop = try EventLoop(name: "ends")
      dialing = LinkHost(loop: loop, identity: try TLSIdentity(key: try SigningKey.generate()))
      listening = LinkHost(loop: loop, identity: try TLSIdentity(key: try SigningKey.generate()))
    }

    /// Sends messages of `count` bytes each to a peer that takes none, until the link ends; gives back how many bytes.
    func flood(messagesOf count: Int) async throws -> Int {
      let endpoint = try listening.listen(host: "127.0.0.1", port: 0)
      return await withCheckedContinuation { continuation in
        // Its window fills up, and nothing of it is given back.
        listening.onLink = { link in
          self.accepted = link
          link.onStream = { stream in stream.onData = { _ in } }
        }
        _ = dialing.dial(to: endpoint, expected: nil, timeout: .seconds(5)) { result in
          guard let link = try? result.get() else { return continuation.resume(returning: -1) }
          self.dialed = link
          let connection = LinkConnection(id: LinkID(number: 1), link: link)
          connection.start()
          var sent = 0
          var timer: Timer?
          link.onClose = { _ in
            timer?.cancel()
            continuation.resume(returning: sent)
          }
          timer = self.loop.after(.zero, repeating: .milliseconds(1)) {
            for _ in 0..<20 {
              sent += count
              connection.send(.goodbye(Goodbye(.stopping, String(repeating: "x", count: count))))
            }
          }
        }
      }
    }

    func stop() async {
      dialing.close()
      listening.close()
      await loop.shutdown()
    }
  }

  @Test(.timeLimit(.minutes(1))) func aPeerThatTakesNoMessagesIsCutOff() async throws {
    let ends = try Ends()
    let sent = try await ends.flood(messagesOf: 60_000)
    // Four MiB may wait; what came after them was for nobody.
    #expect(sent > 4 << 20)
    await ends.stop()
  }
}
