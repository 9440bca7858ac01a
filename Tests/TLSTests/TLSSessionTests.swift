import Crypto
import Primitives
import Testing

@testable import TLS

/// Two sessions joined in memory.
private final class Pair {
  let client: TLSSession
  let server: TLSSession
  var toServer: [UInt8] = []
  var toClient: [UInt8] = []
  var clientReceived: [UInt8] = []
  var serverReceived: [UInt8] = []
  private let scratch = UnsafeMutableRawBufferPointer.allocate(byteCount: 64 << 10, alignment: 16)

  init(_ client: TLSSession, _ server: TLSSession) {
    self.client = client
    self.server = server
  }

  deinit { scratch.deallocate() }

  /// Transfers all pending bytes in pieces of this size, until there are none.
  func pump(pieces size: Int = .max) throws {
    while true {
      client.drainOutput { toServer += $0 }
      server.drainOutput { toClient += $0 }
      guard !toServer.isEmpty || !toClient.isEmpty else { return }
      try deliver(&toServer, size) { try server.receive($0, scratch: scratch) { serverReceived += $0 } }
      try deliver(&toClient, size) { try client.receive($0, scratch: scratch) { clientReceived += $0 } }
    }
  }

  private func deliver(_ bytes: inout [UInt8], _ size: Int, _ receive: (UnsafeRawBufferPointer) throws -> Void) throws {
    let all = bytes
    bytes = []
    for start in stride(from: 0, to: all.count, by: min(size, max(all.count, 1))) {
      try Array(all[start...].prefix(size)).withUnsafeBytes { try receive($0) }
    }
  }
}

@Suite struct TLSSessionTests {
  private let clientKey: SigningKey
  private let serverKey: SigningKey

  init() throws {
    clientKey = try SigningKey.generate()
    serverKey = try SigningKey.generate()
  }

  private func makePair(
    expecting expected: NodeID? = nil, clientProtocol: String = "kachery/1"
  ) throws -> Pair {
    let client = try TLSIdentity(key: clientKey, applicationProtocol: clientProtocol)
    let server = try TLSIdentity(key: serverKey)
    return Pair(
      try TLSSession(identity: client, role: .client, expectedPeer: expected),
      try TLSSession(identity: server, role: .server))
  }

  /// A bootstrap node has thousands of idle links.
  @Test func anIdleSessionHoldsNoBuffers() throws {
    #expect(try TLSSession(identity: TLSIdentity(key: clientKey), role: .server).releasesBuffers)
  }

  @Test(arguments: [1, 2, 7, 100, 1_000, Int.max])
  func bothSidesAreProvedHoweverTheBytesAreCut(size: Int) throws {
    let pair = try makePair(expecting: serverKey.publicKey)
    try pair.pump(pieces: size)
    #expect(pair.client.peer == serverKey.publicKey)
    #expect(pair.server.peer == clientKey.publicKey)
    try Array("hello".utf8).withUnsafeBytes { try pair.client.write($0) }
    try Array("world".utf8).withUnsafeBytes { try pair.server.write($0) }
    try pair.pump(pieces: size)
    #expect(pair.serverReceived == Array("hello".utf8))
    #expect(pair.clientReceived == Array("world".utf8))
  }

  @Test func anotherNodeThanExpectedIsRefused() throws {
    let pair = try makePair(expecting: try SigningKey.generate().publicKey)
    #expect {
      try pair.pump()
    } throws: {
      ($0 as? KacheryError)?.message.contains(serverKey.publicKey.short) == true
    }
    #expect(pair.client.peer == nil)
    // Nor does the other end learn who connected.
    pair.toServer = []
    #expect(throws: KacheryError.self) { try pair.pump() }
    #expect(pair.server.peer == nil)
  }

  @Test func anotherProtocolIsRefused() throws {
    let pair = try makePair(clientProtocol: "http/1.1")
    #expect(throws: KacheryError.self) { try pair.pump() }
    #expect(pair.server.peer == nil)
  }

  @Test func manyBytesArriveWhole() throws {
    let pair = try makePair()
    try pair.pump()
    let bytes = (0..<(4 << 20)).map { UInt8(truncatingIfNeeded: $0 / 3) }
    try bytes.withUnsafeBytes { try pair.client.write($0) }
    try pair.pump(pieces: 65_521)
    #expect(pair.serverReceived == bytes)
  }

  @Test func nothingIsWrittenBeforeBothAreProved() throws {
    let pair = try makePair()
    #expect(throws: KacheryError.self) { try Array("early".utf8).withUnsafeBytes { try pair.client.write($0) } }
    #expect(throws: KacheryError.self) { try pair.client.exportKeyingMaterial(label: "EXPORTER-test", count: 32) }
  }

  @Test func whatWasTamperedWithIsRefused() throws {
    let pair = try makePair()
    try pair.pump()
    try [UInt8](repeating: 7, count: 1_000).withUnsafeBytes { try pair.client.write($0) }
    pair.client.drainOutput { pair.toServer += $0 }
    pair.toServer[500] ^= 1
    #expect(throws: KacheryError.self) { try pair.pump() }
    #expect(pair.serverReceived.isEmpty)
  }

  @Test func anOrderlyEndIsReported() throws {
    let pair = try makePair()
    try pair.pump()
    #expect(!pair.server.isClosedByPeer)
    pair.client.startShutdown()
    try pair.pump()
    #expect(pair.server.isClosedByPeer)
  }

  @Test func bytesBeforeTheEndArriveAndNoneAfterIt() throws {
    let pair = try makePair()
    try pair.pump()
    try Array("last".utf8).withUnsafeBytes { try pair.client.write($0) }
    pair.client.startShutdown()
    #expect(throws: KacheryError.self) { try Array("more".utf8).withUnsafeBytes { try pair.client.write($0) } }
    try pair.pump(pieces: 3)
    #expect(pair.server.isClosedByPeer)
    #expect(pair.serverReceived == Array("last".utf8))
  }

  /// Bytes that stop are not an end: only a close_notify is.
  @Test func aBrokenConnectionIsNotAnEnd() throws {
    let pair = try makePair()
    try pair.pump()
    try [UInt8](repeating: 1, count: 40_000).withUnsafeBytes { try pair.client.write($0) }
    pair.client.startShutdown()
    pair.client.drainOutput { pair.toServer += $0 }
    pair.toServer.removeLast(10)
    try pair.pump(pieces: 999)
    #expect(pair.serverReceived.count == 40_000)
    #expect(!pair.server.isClosedByPeer)
  }

  @Test func bothEndsDeriveTheSameAndNoOtherSessionDoes() throws {
    let (first, second) = (try makePair(), try makePair())
    try first.pump()
    try second.pump()
    let material = try first.client.exportKeyingMaterial(label: "EXPORTER-test", count: 32)
    #expect(try first.server.exportKeyingMaterial(label: "EXPORTER-test", count: 32) == material)
    #expect(try first.client.exportKeyingMaterial(label: "EXPORTER-other", count: 32) != material)
    #expect(try second.client.exportKeyingMaterial(label: "EXPORTER-test", count: 32) != material)
  }

  @Test(arguments: 0..<30)
  func garbageIsAnErrorNeverMore(seed: Int) throws {
    let server = try TLSSession(identity: try TLSIdentity(key: serverKey), role: .server)
    let scratch = UnsafeMutableRawBufferPointer.allocate(byteCount: 4_096, alignment: 16)
    defer { scratch.deallocate() }
    var state = UInt64(seed)
    let bytes = (0..<3_000).map { _ -> UInt8 in
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return UInt8(truncatingIfNeeded: state >> 40)
    }
    #expect(throws: KacheryError.self) {
      try bytes.withUnsafeBytes { try server.receive($0, scratch: scratch) { _ in } }
    }
    #expect(server.peer == nil)
  }

  /// A real client's first flight with changed bytes: the handshake may continue or fail, but never proves an ID.
  @Test(arguments: 0..<40)
  func changedHandshakesProveNoID(seed: Int) throws {
    let pair = try makePair()
    pair.client.drainOutput { pair.toServer += $0 }
    pair.toServer[5 + seed * 7 % (pair.toServer.count - 5)] ^= UInt8(1 + seed)
    #expect(throws: KacheryError.self) {
      try pair.pump()
      if pair.server.peer == nil { throw KacheryError(.protocolViolation, "Not proved.") }
    }
  }
}
