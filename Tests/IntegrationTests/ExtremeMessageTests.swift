import Crypto
import Foundation
import Primitives
import TestSupport
import Testing
import Wire

/// Real daemons that get well-formed messages with extreme values, after a valid hello.
@Suite(.serialized, .timeLimit(.minutes(3))) struct ExtremeMessageTests {
  /// Messages of a run.
  private static let messages = 200
  /// Bytes that a daemon may add to its log in a run, whatever is sent.
  private static let log = 256 << 10

  private let pair: AttackedPair

  init() throws { pair = try AttackedPair() }

  private func known(_ peer: HostilePeer) throws -> ExtremeMessages.Known {
    let hashes = try [0, 1, 70_000, 3_000_000].map {
      try pair.victim.store(try pair.folder.file("known", bytes: $0)).hash
    }
    let feed = FeedID(key: peer.key.publicKey)
    return ExtremeMessages.Known(
      topics: [peer.topic], hashes: hashes,
      nodes: [try pair.honest.nodeID, try pair.victim.nodeID, peer.key.publicKey],
      feeds: [SubfeedKey(feed, SubfeedHash(ContentHash.of([])))])
  }

  /// Sends messages on the control stream and on streams of all kinds until the daemon has had enough of the peer.
  private func send(
    _ messages: inout ExtremeMessages, _ count: Int, from peer: HostilePeer
  ) async throws -> Int {
    var sent = 0
    while sent < count, await !peer.isCutOff {
      let kind = messages.random.chance(50) ? .control : StreamKind.allCases.randomElement(using: &messages.random)
      let bytes = (0..<messages.random.number(1...4)).flatMap { _ in messages.request(kind ?? .control) }
      if kind == .control {
        try await peer.sayBytes(bytes)
      } else {
        _ = try await peer.open([kind?.rawValue ?? 0] + bytes)
      }
      sent += 1
    }
    return sent
  }

  /// Each seed begins with other messages; a peer that is cut off comes back with another identity.
  @Test(arguments: HostilePeer.Standing.allCases, [1, 2] as [UInt64])
  func wellFormedMessagesDoNoHarm(standing: HostilePeer.Standing, seed: UInt64) async throws {
    for target in [pair.victim, pair.honest] {
      let key = try SigningKey.generate()
      let model = try HostilePeer(channel: AttackedPair.channel, key: key)
      var messages = ExtremeMessages(seed: seed, known: try known(model), key: key)
      await model.stop()
      var sent = 0
      while sent < Self.messages {
        let peer = try HostilePeer(channel: AttackedPair.channel, as: standing, extremes: messages)
        try await peer.join(port: target.linkPort)
        messages.known.channels = [try await peer.channel]
        // A node that introduces no others ends links to strangers immediately: forty of them are enough.
        sent += max(Self.messages / 40, try await send(&messages, Self.messages - sent, from: peer))
        await peer.stop()
        #expect(target.isRunning, "seed \(seed)")
      }
    }
    try await pair.expectToWork(70_000 + Int(seed))
    for daemon in [pair.victim, pair.honest] {
      #expect(try daemon.log().utf8.count < Self.log, "seed \(seed)")
    }
  }
}
