import Crypto
import Primitives
import TestSupport
import Testing

@testable import QUIC

/// Connections under simulated time: what they prove, and what they carry.
@Suite struct QUICConnectionTests {
  private let keys: (client: SigningKey, server: SigningKey)

  init() throws { keys = (try SigningKey.generate(), try SigningKey.generate()) }

  private func world(expected: NodeID? = nil, seed: UInt64 = 1) throws -> QUICWorld {
    try QUICWorld(client: keys.client, server: keys.server, expected: expected, seed: seed)
  }

  private func established(seed: UInt64 = 1, loss: Int = 0) throws -> QUICWorld {
    let world = try world(expected: keys.server.publicKey, seed: seed)
    world.loss = loss
    #expect(world.run { $0.client.isEstablished && $0.server?.isEstablished == true }, "seed \(seed)")
    return world
  }

  @Test func bothEndsProveTheirKeysAndDeriveTheSameSecret() throws {
    let world = try established()
    let server = try #require(world.server)
    #expect(world.client.connection.peer == keys.server.publicKey)
    #expect(server.connection.peer == keys.client.publicKey)
    let secrets = [world.client, server].map { $0.connection.exportKeyingMaterial(label: "EXPORTER-test", count: 32) }
    #expect(secrets[0]?.count == 32)
    #expect(secrets[0] == secrets[1])
    let other = try established()
    #expect(other.client.connection.exportKeyingMaterial(label: "EXPORTER-test", count: 32) != secrets[0])
  }

  @Test func nothingIsProvedBeforeTheHandshake() throws {
    let world = try world()
    #expect(world.client.connection.peer == nil)
    #expect(world.client.connection.exportKeyingMaterial(label: "EXPORTER-test", count: 32) == nil)
  }

  @Test func aWrongNodeIsRefusedAndNeverLearnsWhoAsked() throws {
    let world = try world(expected: try SigningKey.generate().publicKey)
    #expect(world.run { if case .closedByPeer = $0.server?.outcome { true } else { false } })
    #expect(world.client.connection.stranger == keys.server.publicKey)
    #expect(!world.client.isEstablished && world.server?.isEstablished == false)
    #expect(world.server?.connection.peer == nil)
  }

  @Test func anotherProtocolIsRefused() throws {
    let world = try QUICWorld(client: keys.client, server: keys.server, applicationProtocol: "other/1")
    #expect(world.run { if case .closedByPeer(nil, _) = $0.client.outcome { true } else { false } })
    #expect(!world.client.isEstablished && world.server?.isEstablished == false)
  }

  @Test(arguments: [(0, UInt64(1)), (5, 2), (20, 3)])
  func bytesArriveWholeThroughLoss(loss: Int, seed: UInt64) throws {
    let world = try established(seed: seed, loss: loss)
    let server = try #require(world.server)
    let (there, back) = (PatternBytes.make(600_000, seed: 1), PatternBytes.make(300_000, seed: 2))
    let stream = try #require(world.client.connection.openStream())
    world.client.send(there, on: stream)
    #expect(world.run { $0.server?.received[stream] != nil }, "seed \(seed)")
    server.send(back, on: stream)
    #expect(world.run { $0.client.closed[stream] == true && $0.server?.closed[stream] == true }, "seed \(seed)")
    #expect(server.received[stream] == there)
    #expect(world.client.received[stream] == back)
    #expect(world.client.unacknowledged == 0 && server.unacknowledged == 0)
  }

  @Test func aReaderThatConsumesNothingHoldsTheSender() throws {
    let world = try established()
    let server = try #require(world.server)
    server.consumes = false
    let stream = try #require(world.client.connection.openStream())
    world.client.send(PatternBytes.make(1 << 20), on: stream)
    #expect(world.run { $0.client.blockedCount > 0 && $0.server?.received[stream]?.count == 256 << 10 })
    #expect(!world.run { $0.server?.received[stream]?.count ?? 0 > 256 << 10 })
    server.consumes = true
    let longer = try established()
    let other = try #require(longer.server)
    other.consumes = false
    let held = try #require(longer.client.connection.openStream())
    longer.client.send(PatternBytes.make(1 << 20), on: held)
    #expect(longer.run { $0.server?.received[held]?.count == 256 << 10 })
    other.connection.extendWindow(of: held, by: 1 << 20)
    #expect(longer.run { $0.server?.received[held]?.count == 1 << 20 })
  }

  @Test func aResetEndsBothDirections() throws {
    let world = try established()
    let server = try #require(world.server)
    let stream = try #require(world.client.connection.openStream())
    world.client.send([1, 2, 3], on: stream, ends: false)
    #expect(world.run { $0.server?.received[stream] == [1, 2, 3] })
    server.connection.resetStream(stream)
    #expect(world.run { $0.client.wasReset.contains(stream) && $0.client.closed[stream] == false })
    #expect(world.run { $0.server?.closed[stream] == false })
  }

  @Test func datagramsArrive() throws {
    let world = try established()
    world.client.datagramsToSend = [[1, 2, 3]]
    #expect(world.run { $0.server?.datagrams == [[1, 2, 3]] })
  }

  /// The first ones, which measure the path, wait for the packets that complete the handshake.
  @Test func datagramsOfTheFirstMomentArrive() throws {
    let world = try QUICWorld(client: keys.client, server: keys.server)
    world.client.datagramsToSend = [[1]]
    #expect(world.run { $0.server != nil })
    world.server?.datagramsToSend = [[2]]
    #expect(world.run { $0.server?.datagrams == [[1]] && $0.client.datagrams == [[2]] })
  }

  @Test func aPeerThatFallsSilentIsGivenUp() throws {
    let world = try established()
    world.loss = 100
    #expect(world.run { if case .timedOut = $0.client.outcome { true } else { false } })
  }

  @Test func thePeerLearnsHowAConnectionEnded() throws {
    let world = try established()
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 2_000, alignment: 1)
    defer { buffer.deallocate() }
    let count = world.client.connection.writeClose(code: 7, into: buffer, at: world.now)
    world.deliver(Array(buffer.prefix(count)), toServer: true)
    guard case .closedByPeer(7?, _) = world.server?.outcome else {
      Issue.record("the server has \(String(describing: world.server?.outcome))")
      return
    }
  }

  /// Fewer IDs than these would not be enough: one of 256 first bytes is at stake.
  @Test func noConnectionIDBeginsLikeTheMagicBytes() throws {
    let identity = try QUICIdentity(key: keys.client)
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 2_000, alignment: 1)
    defer { buffer.deallocate() }
    var firsts: Set<UInt8> = []
    for _ in 0..<1_500 {
      let connection = try QUICConnection(
        identity: identity, local: QUICWorld.clientAddress, remote: QUICWorld.serverAddress, expected: nil,
        at: Instant(nanoseconds: 1))
      let trains = connection.write(into: buffer, limit: (bytes: 1, packets: 1), at: Instant(nanoseconds: 1))
      let packet = UnsafeRawBufferPointer(rebasing: buffer[try #require(trains?.first).range])
      // A long header: flags, version, the destination's ID after its length, the source's.
      #expect(packet[5] == 16 && packet[22] == 16)
      firsts.formUnion([packet[6], packet[23]])
    }
    #expect(!firsts.contains(0x6b))
    #expect(firsts.count > 200)
  }
}
