import Crypto
import Primitives
import TestSupport

@testable import QUIC

/// One end of a connection, with streams that write and read everything.
final class QUICTestEnd: QUICConnectionUser {
  let connection: QUICConnection
  var isEstablished = false
  var outcome: QUICConnection.Outcome = .open
  /// What has arrived on each stream.
  var received: [Int64: [UInt8]] = [:]
  var finished: Set<Int64> = []
  var wasReset: Set<Int64> = []
  var closed: [Int64: Bool] = [:]
  var blockedCount = 0
  var datagrams: [[UInt8]] = []
  var datagramsToSend: [[UInt8]] = []
  var admissions = 0
  /// Whether the peer may go on as bytes arrive.
  var consumes = true

  private struct Sending {
    var buffer = QUICSendBuffer()
    var ends = true
    var hasEnded = false
    var isBlocked = false
  }
  private var sending: [Int64: Sending] = [:]

  init(_ connection: QUICConnection) {
    self.connection = connection
    connection.user = self
    connection.onEstablished = { [weak self] in self?.isEstablished = true }
  }

  /// Sends bytes and, if `ends`, the end of the stream.
  func send(_ bytes: [UInt8], on stream: Int64, ends: Bool = true) {
    sending[stream, default: Sending()].buffer.append(bytes)
    sending[stream]?.ends = ends
  }

  /// Bytes that the peer has not acknowledged.
  var unacknowledged: Int { sending.values.reduce(0) { $0 + $1.buffer.unacknowledgedBytes + $1.buffer.unsentBytes } }

  func opened(_ stream: Int64) { received[stream] = [] }

  func received(_ bytes: UnsafeRawBufferPointer, isLast: Bool, on stream: Int64) {
    received[stream, default: []] += bytes
    if isLast { finished.insert(stream) }
    if consumes { connection.extendWindow(of: stream, by: bytes.count) }
  }

  func acknowledged(_ count: Int, on stream: Int64) { sending[stream]?.buffer.acknowledged(count) }
  func unblocked(_ stream: Int64) { sending[stream]?.isBlocked = false }
  func reset(_ stream: Int64) { wasReset.insert(stream) }
  func closed(_ stream: Int64, isClean: Bool) {
    closed[stream] = isClean
    sending[stream] = nil
  }
  func mayOpenStreams() { admissions += 1 }
  func receivedDatagram(_ bytes: UnsafeRawBufferPointer) { datagrams.append(Array(bytes)) }

  func nextDatagram() -> [UInt8]? { datagramsToSend.first }

  func tookDatagram() { datagramsToSend.removeFirst() }

  func nextChunk() -> QUICChunk? {
    for (stream, state) in sending.sorted(by: { $0.key < $1.key }) where !state.isBlocked && !state.hasEnded {
      guard state.buffer.unsentBytes > 0 || state.ends else { continue }
      let bytes = state.buffer.unsent
      return QUICChunk(stream: stream, bytes: bytes, isLast: state.ends && bytes.count == state.buffer.unsentBytes)
    }
    return nil
  }

  func took(_ count: Int, of chunk: QUICChunk) {
    sending[chunk.stream]?.buffer.sent(count)
    if chunk.isLast, count == chunk.bytes.count { sending[chunk.stream]?.hasEnded = true }
  }

  func blocked(_ stream: Int64) {
    blockedCount += 1
    sending[stream]?.isBlocked = true
  }

  func gone(_ stream: Int64) { sending[stream] = nil }
}

/// A client and a server, and the packets between them, under a clock of their own.
final class QUICWorld {
  static let clientAddress = address(1)
  static let serverAddress = address(2)

  let client: QUICTestEnd
  private(set) var server: QUICTestEnd?
  private(set) var now = Instant(nanoseconds: 1_000_000_000)
  let serverIdentity: QUICIdentity
  var proofs = QUICAddressProofs()
  var random: SeededRandom
  /// Packets lost, of a hundred.
  var loss = 0
  /// The largest packet that passes.
  var pathLimit = Int.max
  /// What becomes of a packet on its way; by default it stays as it is.
  var tamper: (inout SeededRandom, [UInt8]) -> [UInt8] = { $1 }
  /// Each packet that was sent, before it was lost or changed.
  var log: [(isToServer: Bool, packet: [UInt8])] = []

  private let delay: Duration = .milliseconds(10)
  private let routeMTU: Int?
  private var underWay: [(at: Instant, isToServer: Bool, packet: [UInt8])] = []
  private let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 70_000, alignment: 8)

  /// A server of this key, and a client of the other that expects `expected`, on networks with this MTU.
  init(
    client: SigningKey, server: SigningKey, expected: NodeID? = nil, applicationProtocol: String = "kachery/1",
    routeMTU: Int? = nil, seed: UInt64 = 1
  ) throws {
    self.routeMTU = routeMTU
    random = SeededRandom(seed: seed)
    serverIdentity = try QUICIdentity(key: server)
    self.client = QUICTestEnd(
      try QUICConnection(
        identity: try QUICIdentity(key: client, applicationProtocol: applicationProtocol), local: Self.clientAddress,
        remote: Self.serverAddress, expected: expected, routeMTU: routeMTU, at: now))
  }

  deinit { buffer.deallocate() }

  /// 127.0.0.1 with this port, as the kernel writes it.
  static func address(_ port: UInt8) -> [UInt8] { [2, 0, 0, port, 127, 0, 0, 1] + [UInt8](repeating: 0, count: 8) }

  /// Lets time pass until the condition holds; false if it does not within a minute of the world's time.
  func run(until isTrue: (QUICWorld) -> Bool) -> Bool {
    let end = now + .seconds(60)
    flush()
    while !isTrue(self) {
      let ends = [client, server].compactMap(\.self)
      let next = (underWay.map(\.at) + ends.filter(isOpen).compactMap(\.connection.expiry)).min()
      guard let next, next < end else { return false }
      now = max(next, now + .microseconds(1))
      deliver()
      for end in ends where isOpen(end) && (end.connection.expiry.map { $0 <= now } ?? false) {
        end.outcome = end.connection.handleExpiry(at: now)
      }
      flush()
    }
    return true
  }

  /// Delivers a packet to one of the ends now.
  func deliver(_ packet: [UInt8], toServer: Bool) {
    let sender = toServer ? Self.clientAddress : Self.serverAddress
    packet.withUnsafeBytes { packet in
      sender.withUnsafeBytes { sender in
        if toServer, server == nil, QUICPacket.isFirst(packet) {
          server = try? QUICTestEnd(
            QUICConnection(
              identity: serverIdentity, local: Self.serverAddress, remote: Array(sender), first: packet,
              addressProofs: proofs, routeMTU: routeMTU, at: now))
        }
        guard let end = toServer ? server : client, isOpen(end) else { return }
        end.outcome = end.connection.read(packet, from: sender, at: now)
      }
    }
  }

  func isOpen(_ end: QUICTestEnd) -> Bool { if case .open = end.outcome { true } else { false } }

  private func deliver() {
    let due = underWay.filter { $0.at <= now }
    underWay.removeAll { $0.at <= now }
    for item in due { deliver(item.packet, toServer: item.isToServer) }
  }

  /// Sends what both ends have to send.
  func flush() {
    for (end, isToServer) in [(client as QUICTestEnd?, true), (server, false)] {
      guard let end else { continue }
      if isOpen(end) {
        let limit = (bytes: 60_000, packets: 40)
        for train in end.connection.write(into: buffer, limit: limit, at: now) ?? [] {
          for start in stride(from: train.range.lowerBound, to: train.range.upperBound, by: train.segment) {
            send(Array(buffer[start..<min(start + train.segment, train.range.upperBound)]), isToServer)
          }
        }
      } else if case .failed = end.outcome {
        let count = end.connection.writeClose(code: nil, into: buffer, at: now)
        end.outcome = .dropped
        if count > 0 { send(Array(buffer.prefix(count)), isToServer) }
      }
    }
  }

  private func send(_ packet: [UInt8], _ isToServer: Bool) {
    log.append((isToServer, packet))
    guard packet.count <= pathLimit, !random.chance(loss) else { return }
    underWay.append((now + delay, isToServer, tamper(&random, packet)))
  }
}
