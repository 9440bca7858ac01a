import Crypto
import Diagnostics
import Discovery
import EventLoop
import NodeCore
import Primitives
import Testing

@testable import Daemon

/// The datagrams of two nodes over the loopback interface.
@Suite struct LocalAnnouncementsTests {
  /// What a part has done.
  private struct Seen: Sendable {
    var announcements = 0
    var answers = 0
    var dialed: [String] = []
  }

  /// A node with a core of its own, and without links. Bound to the loop.
  private final class Part {
    let driver: CoreDriver
    let announcements: LocalAnnouncements
    var seen = Seen()

    init(_ loop: EventLoop, port: UInt16, channel: ByteString, key: SigningKey) {
      driver = CoreDriver(key: key, loop: loop)
      announcements = LocalAnnouncements(driver: driver, loop: loop, log: Log(minimum: .error) { _, _ in })
      driver.onEffect = { [unowned self] effect in
        switch effect {
        case .local(let effect):
          if case .announce = effect { seen.announcements += 1 } else { seen.answers += 1 }
          announcements.perform(effect)
        case .link(.dial(_, let address, expected: nil)): seen.dialed.append(address.description)
        default: break
        }
      }
      announcements.start(listening: "::")
      driver.input { core, now in
        core.setAddresses([], port: port, at: now)
        core.setChannels([Channel(address: channel, membership: .byName)], at: now)
      }
    }

    func stop() {
      driver.stop()
      announcements.stop()
    }
  }

  /// Starts parts on the same interface, one for each channel, and waits until the condition on what they have done holds.
  private func run(
    _ channels: [ByteString], until isDone: @escaping @Sendable ([Seen]) -> Bool
  ) async throws -> [Seen] {
    let loop = try EventLoop(name: "announcements")
    let lan = try #require(NetworkInterface.all.first { $0.host == "127.0.0.1" })
    let keys = try channels.map { _ in try SigningKey.generate() }
    let seen: [Seen] = await withCheckedContinuation { continuation in
      loop.post {
        let parts = channels.indices.map {
          Part(loop, port: 5_000 + UInt16($0), channel: channels[$0], key: keys[$0])
        }
        for part in parts { part.announcements.announce(on: [lan]) }
        var rounds = 0
        var timer: Timer?
        timer = loop.after(.zero, repeating: .milliseconds(5)) {
          rounds += 1
          guard isDone(parts.map(\.seen)) || rounds > 2_000 else { return }
          timer?.cancel()
          let seen = parts.map(\.seen)
          for part in parts { part.stop() }
          continuation.resume(returning: seen)
        }
      }
    }
    await loop.shutdown()
    #expect(loop.openHandles == 0)
    return seen
  }

  @Test func theNodeWithTheSmallerPortDialsTheOther() async throws {
    let channel: ByteString = "lan \(SecureRandom().next())"
    let seen = try await run([channel, channel]) { $0[0].dialed.count > 0 && $0.allSatisfy { $0.announcements > 0 } }
    #expect(seen[0].dialed == ["127.0.0.1:5001"])
    #expect(seen[1].dialed == [])
    #expect(seen[0].answers + seen[1].answers > 0)
  }

  @Test func aStrangerGetsNoAnswer() async throws {
    let (one, other): (ByteString, ByteString) = ("lan \(SecureRandom().next())", "lan \(SecureRandom().next())")
    // The first two announcements of each.
    let seen = try await run([one, other]) { $0.allSatisfy { $0.announcements >= 2 } }
    #expect(seen.allSatisfy { $0.announcements >= 2 && $0.answers == 0 && $0.dialed == [] })
  }

  /// An interface that has vanished, or has yet to come up, neither is used nor disturbs the others.
  @Test func anInterfaceThatCannotBeUsedIsLeftOut() async throws {
    let loop = try EventLoop(name: "announcements")
    let lan = try #require(NetworkInterface.all.first { $0.host == "127.0.0.1" })
    let gone = try #require(NetworkInterface("gone0", host: "192.0.2.77", length: 24))
    let key = try SigningKey.generate()
    let (alone, both, handles): (Int, Int, Int) = await loop.run {
      let part = Part(loop, port: 5_000, channel: "lan", key: key)
      part.announcements.announce(on: [gone])
      let alone = part.seen.announcements
      part.announcements.announce(on: [lan, gone])
      let both = part.seen.announcements
      part.announcements.announce(on: [])
      part.announcements.announce(on: [gone])
      part.stop()
      return (alone, both, loop.openHandles)
    }
    #expect(alone == 0 && both == 1)
    await loop.shutdown()
    #expect(handles > 0 && loop.openHandles == 0)
  }
}
