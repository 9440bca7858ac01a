import Mux
import Primitives
import TestSupport
import Testing

/// For any input a session answers with events or an error, never with a trap or unbounded work.
@Suite struct MuxFuzzTests {
  @Test func changedConversationsNeitherTrapNorGrow() {
    let conversation = Self.conversation()
    for seed in 0..<3_000 as Range<UInt64> {
      var random = SeededRandom(seed: seed)
      var server = MuxEnd(.server)
      feed(random.mutated(conversation), &server, &random)
      #expect(server.violations == [], "seed \(seed)")
      #expect(server.session.openStreams <= MuxSession.maximumPeerStreams, "seed \(seed)")
      #expect(server.wire.count <= MuxSession.maximumOutput + conversation.count, "seed \(seed)")
    }
  }

  @Test func inputsThatWereKeptNeitherTrapNorGrow() throws {
    for (name, bytes) in try FuzzCorpus.inputs(of: "mux") {
      var random = SeededRandom(seed: UInt64(bytes.count))
      var server = MuxEnd(.server)
      feed(bytes, &server, &random)
      #expect(server.violations == [], "\(name)")
    }
  }

  @Test func randomFramesNeitherTrapNorGrow() {
    for seed in 0..<500 as Range<UInt64> {
      var random = SeededRandom(seed: seed)
      var server = MuxEnd(.server)
      let frames = (0..<60).flatMap { _ in
        MuxEnd.frame(
          type: UInt8(random.number(0...3)), flags: UInt16(random.number(0...15)), stream: UInt32(random.number(0...9)),
          value: random.chance(10) ? UInt32.random(in: 0...UInt32.max, using: &random) : UInt32(random.number(0...24)))
      }
      feed(frames, &server, &random)
      #expect(server.violations == [], "seed \(seed)")
    }
  }

  private func feed(_ bytes: [UInt8], _ server: inout MuxEnd, _ random: inout SeededRandom) {
    var rest = bytes[...]
    while !rest.isEmpty {
      let part = rest.prefix(random.number(1...200))
      rest = rest.dropFirst(part.count)
      do throws(MuxError) { try server.receive(part) } catch { return }
      for (id, count) in server.unconsumed where count > 0 && !server.reset.contains(id) {
        server.consume(count, on: id)
      }
      server.flush()
    }
  }

  /// The bytes of an honest client: a few streams, some data, a ping, ends.
  private static func conversation() -> [UInt8] {
    var client = MuxEnd(.client)
    for index in 0..<4 {
      let id = client.open(sending: [UInt8](repeating: UInt8(index), count: 40 * index))
      client.push(id, limit: 30)
      _ = client.session.ping()
      while client.unsent[id] != nil { client.push(id, limit: 30) }
    }
    client.session.goAway()
    client.flush()
    return client.wire
  }
}
