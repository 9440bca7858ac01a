import Crypto
import Primitives
import TestSupport
import Testing

@testable import QUIC

/// Packets from anywhere: damaged, forged, repeated.
@Suite struct QUICHostileTests {
  private let keys: (client: SigningKey, server: SigningKey)

  init() throws { keys = (try SigningKey.generate(), try SigningKey.generate()) }

  private func world(seed: UInt64 = 1) throws -> QUICWorld {
    try QUICWorld(client: keys.client, server: keys.server, expected: keys.server.publicKey, seed: seed)
  }

  @Test(arguments: 1...40) func randomBytesAreNoPackets(seed: UInt64) throws {
    let world = try world(seed: seed)
    for _ in 0..<500 {
      let bytes = world.random.bytes(world.random.chance(5) ? 0 : world.random.number(0...1_500))
      bytes.withUnsafeBytes { _ = QUICPacket.destination(of: $0) }
      world.deliver(bytes, toServer: true)
      world.deliver(bytes, toServer: false)
    }
    #expect(world.run { $0.client.isEstablished }, "seed \(seed)")
  }

  /// Every packet arrives, and a damaged copy of it before.
  @Test(arguments: 1...40) func damagedPacketsDoNoHarm(seed: UInt64) throws {
    let world = try world(seed: seed)
    let bytes = PatternBytes.make(60_000, seed: Int(seed))
    var stream: Int64?
    var sent = 0
    let isDone = world.run { world in
      for item in world.log[sent...] where item.packet.count < 1_600 {
        // A damaged packet of the handshake can end a handshake, as an attacker on the path can; not a connection.
        guard world.client.isEstablished, world.server?.isEstablished == true else { break }
        let damaged = world.random.mutated(item.packet)
        if damaged != item.packet { world.deliver(damaged, toServer: item.isToServer) }
      }
      sent = world.log.count
      if stream == nil, world.client.isEstablished, let opened = world.client.connection.openStream() {
        stream = opened
        world.client.send(bytes, on: opened)
        world.flush()
      }
      return stream.map { world.server?.finished.contains($0) == true } ?? false
    }
    #expect(isDone, "seed \(seed)")
    #expect(stream.flatMap { world.server?.received[$0] } == bytes)
  }

  @Test(arguments: 1...60) func damagedHandshakesEndOrSucceed(seed: UInt64) throws {
    let world = try world(seed: seed)
    world.tamper = { random, packet in random.chance(30) ? random.mutated(packet) : packet }
    let hasEnded = world.run { world in
      let ends = [world.client, world.server].compactMap(\.self)
      return ends.allSatisfy { !world.isOpen($0) || $0.isEstablished }
    }
    #expect(hasEnded, "seed \(seed)")
  }

  /// A stranger with a forged address gets this node to send that address no more than three times what it sent.
  @Test func anUnprovedAddressGetsLittle() throws {
    let world = try world()
    // Nothing arrives but what the test delivers.
    world.loss = 100
    world.flush()
    let first = try #require(world.log.first).packet
    world.deliver(first, toServer: true)
    let count = world.log.count
    _ = world.run { _ in false }
    let answered = world.log[count...].filter { !$0.isToServer }.reduce(0) { $0 + $1.packet.count }
    #expect(answered > 0)
    #expect(answered <= 3 * first.count)
  }

  @Test func aRetryProvesAnAddress() throws {
    let world = try world()
    // Instead of the server, the test answers the first packet.
    world.loss = 100
    world.flush()
    world.loss = 0
    let first = try #require(world.log.first).packet
    let sender = QUICWorld.clientAddress
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 2_000, alignment: 1)
    defer { buffer.deallocate() }
    let count = first.withUnsafeBytes { first in
      sender.withUnsafeBytes { sender in
        #expect(!world.proofs.isProved(by: first, from: sender, at: world.now))
        return world.proofs.writeRetry(to: first, from: sender, into: buffer, at: world.now)
      }
    }
    #expect(count > 0 && count < first.count)
    let before = world.log.count
    world.deliver(Array(buffer.prefix(count)), toServer: false)
    world.flush()
    let second = try #require(world.log[before...].first { $0.isToServer }).packet
    func isProved(_ address: [UInt8], _ proofs: QUICAddressProofs, after time: Duration = .zero) -> Bool {
      second.withUnsafeBytes { packet in
        address.withUnsafeBytes { proofs.isProved(by: packet, from: $0, at: world.now + time) }
      }
    }
    #expect(isProved(sender, world.proofs))
    #expect(!isProved(QUICWorld.address(9), world.proofs), "an address that proved nothing")
    #expect(!isProved(sender, QUICAddressProofs()), "a proof of another process")
    #expect(!isProved(sender, world.proofs, after: .seconds(11)), "an old proof")
    #expect(world.run { $0.client.isEstablished && $0.server?.isEstablished == true })
  }

  /// Every packet arrives twice, the second time much later.
  @Test func repeatedPacketsDoNoHarm() throws {
    let world = try world()
    #expect(world.run { $0.client.isEstablished && $0.server?.isEstablished == true })
    let bytes = PatternBytes.make(50_000)
    let stream = try #require(world.client.connection.openStream())
    world.client.send(bytes, on: stream)
    #expect(world.run { $0.server?.finished.contains(stream) == true })
    for item in world.log { world.deliver(item.packet, toServer: item.isToServer) }
    #expect(world.server?.received[stream] == bytes)
    world.client.datagramsToSend = [[1]]
    #expect(world.run { $0.server?.datagrams == [[1]] })
  }
}
