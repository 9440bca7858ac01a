import EventLoop
import Primitives
import QUIC
import Wire

/// The QUIC connections of one UDP socket. Bound to the loop.
///
/// Packets belong to the connections that chose the IDs in them, wherever they come from; packets with other IDs are
/// dropped without an answer, unless a client can begin with them.
final class QUICEndpoint {
  /// With this number of unfinished handshakes that strangers have begun, further ones must prove their addresses first.
  static let maximumUnproved = 64
  /// The most bytes of packets that one connection writes before the others have their turn.
  private static let turnBytes = DatagramSocket.maximumTrain.bytes
  /// Probe timeouts for which an ended connection answers late packets with its end (RFC 9000, section 10.2).
  private static let farewellTimeouts = 3

  /// What to tell the peer of a connection that ends.
  enum Farewell {
    case code(QUICPath.Code)
    case failure
  }

  /// Called for each path that another side opens, before its first packet is processed; without it there are none.
  var onPath: ((QUICPath) -> Void)?
  /// Called with each datagram that begins like a probe, and with its sender.
  var onProbe: (([UInt8], Endpoint) -> Void)?
  /// Called when the last path has ended, and nothing is left to be sent.
  var onIdle: (() -> Void)?
  let local: Endpoint
  /// What has arrived for a stream in the packets that are being read.
  let gathered = GatheredBytes()

  private let loop: EventLoop
  private let identity: QUICIdentity
  private let socket: DatagramSocket
  private let timer: PreciseTimer
  private let proofs = QUICAddressProofs()
  private let buffer = UnsafeMutableRawBufferPointer.allocate(
    byteCount: turnBytes + QUICConnection.largestPacket, alignment: 64)

  private var table = Table()
  private var deadlines = Deadlines<Int>()
  private var touched: [QUICPath] = []
  /// Whether a flush follows anyway.
  private var isBusy = false
  private var isFlushPosted = false
  /// When the timer fires; nil if it does not.
  private var armedFor: Instant?
  /// What the kernel did not accept.
  private var unsent: [UnsentTrain] = []

  /// Whose packets are whose.
  private struct Table {
    var paths: [Int: QUICPath] = [:]
    var byID: [QUICConnectionID: QUICPath] = [:]
    /// The paths that clients have begun, by the IDs that they have made up for their first packets.
    var byFirstID: [[UInt8]: QUICPath] = [:]
    var firstIDs: [Int: [UInt8]] = [:]
    /// Those of them whose clients have proved nothing yet.
    var unfinished: Set<Int> = []
    var ended: [QUICConnectionID: EndedPath] = [:]
    var endedByNumber: [Int: EndedPath] = [:]
    var last = 0
  }

  /// A connection that has ended and answers late packets.
  private final class EndedPath {
    let ids: Set<QUICConnectionID>
    let packet: [UInt8]
    let address: [UInt8]
    var latePackets = 0

    init(ids: Set<QUICConnectionID>, packet: [UInt8], address: [UInt8]) {
      (self.ids, self.packet, self.address) = (ids, packet, address)
    }
  }

  private struct UnsentTrain {
    var bytes: [UInt8]
    let segment: Int
    let address: [UInt8]
  }

  /// An endpoint at this address; `::` means every IPv4 and IPv6 address.
  convenience init(loop: EventLoop, identity: QUICIdentity, host: String, port: UInt16) throws(KacheryError) {
    try self.init(loop: loop, identity: identity, socket: try DatagramSocket.bind(on: loop, host: host, port: port))
  }

  /// An endpoint on this socket, which it closes, also if this throws.
  init(loop: EventLoop, identity: QUICIdentity, socket: DatagramSocket) throws(KacheryError) {
    self.loop = loop
    self.identity = identity
    var fire: (() -> Void)?
    do throws(KacheryError) { timer = try PreciseTimer(on: loop) { fire?() } } catch {
      socket.close()
      throw error
    }
    self.socket = socket
    local = socket.endpoint
    // Not weak: the socket and the timer have the endpoint until it is closed.
    fire = { self.expire() }
    socket.onDatagram = { self.receive($0, from: $1) }
    socket.onBatchEnd = { self.batchEnded() }
    socket.onWritable = { self.becameWritable() }
    socket.onLoopEnd = { self.close() }
  }

  deinit { buffer.deallocate() }

  /// Whether there are no paths, and nothing is left to be sent.
  var isIdle: Bool { table.paths.isEmpty && table.endedByNumber.isEmpty }

  /// Opens a path. Its handshake begins with `flushSoon`.
  ///
  /// - Returns: nil if the socket cannot send to this address.
  func path(to endpoint: Endpoint, expected: NodeID?) throws(KacheryError) -> QUICPath? {
    guard let remote = socket.address(of: endpoint) else { return nil }
    let connection = try QUICConnection(
      identity: identity, local: socket.address, remote: remote, expected: expected,
      routeMTU: socket.routeMTU(to: remote), at: loop.now)
    return add(connection, remote: endpoint)
  }

  private func add(_ connection: QUICConnection, remote: Endpoint?) -> QUICPath {
    table.last += 1
    let path = QUICPath(endpoint: self, connection: connection, number: table.last, remote: remote)
    table.paths[path.number] = path
    return path
  }

  func register(_ id: QUICConnectionID, _ path: QUICPath?) { table.byID[id] = path }

  // MARK: Receiving

  private func receive(_ packet: UnsafeRawBufferPointer, from sender: UnsafeRawBufferPointer) {
    isBusy = true
    guard !Probe.begins(packet) else {
      if let onProbe, let sender = DatagramSocket.endpoint(of: sender) { onProbe(Array(packet), sender) }
      return
    }
    guard let destination = QUICPacket.destination(of: packet) else { return }
    if let id = QUICConnectionID(bytes: destination) {
      if let path = table.byID[id] { return path.read(packet, from: sender, at: loop.now) }
      if let path = table.ended[id] { return answer(for: path) }
    }
    guard onPath != nil, QUICPacket.isFirst(packet) else { return }
    let key = Array(destination)
    if let path = table.byFirstID[key] { return path.read(packet, from: sender, at: loop.now) }
    accept(packet, firstID: key, from: sender)
  }

  private func accept(_ packet: UnsafeRawBufferPointer, firstID: [UInt8], from sender: UnsafeRawBufferPointer) {
    let now = loop.now
    if table.unfinished.count >= Self.maximumUnproved, !proofs.isProved(by: packet, from: sender, at: now) {
      let count = proofs.writeRetry(to: packet, from: sender, into: buffer, at: now)
      if count > 0, unsent.isEmpty { send(0..<count, segment: count, to: sender) }
      return
    }
    let remote = Array(sender)
    guard
      let connection = try? QUICConnection(
        identity: identity, local: socket.address, remote: remote, first: packet, addressProofs: proofs,
        routeMTU: socket.routeMTU(to: remote), at: now)
    else { return }
    let path = add(connection, remote: DatagramSocket.endpoint(of: sender))
    table.byFirstID[firstID] = path
    table.firstIDs[path.number] = firstID
    table.unfinished.insert(path.number)
    onPath?(path)
    path.read(packet, from: sender, at: now)
  }

  /// Sends the end of a connection again: to the first late packet, and then ever more rarely.
  private func answer(for path: EndedPath) {
    path.latePackets += 1
    guard path.latePackets.nonzeroBitCount == 1, unsent.isEmpty else { return }
    _ = path.packet.withUnsafeBytes { bytes in
      path.address.withUnsafeBytes { socket.send(bytes, segment: bytes.count, to: $0) }
    }
  }

  private func batchEnded() {
    gathered.deliver()
    isBusy = false
    flush()
  }

  // MARK: Sending

  /// Sends a probe. It is lost if the kernel does not take it.
  ///
  /// - Returns: whether the socket can send to this address.
  func send(_ probe: ProbeDatagram) -> Bool {
    socket.send(probe)
  }

  /// A path has something to write, or its time has changed.
  func touch(_ path: QUICPath) {
    guard !path.isTouched else { return }
    path.isTouched = true
    touched.append(path)
    guard !isBusy, !isFlushPosted else { return }
    isFlushPosted = true
    loop.later {
      self.isFlushPosted = false
      self.flush()
    }
  }

  private func flush() {
    guard unsent.isEmpty else { return }
    let paths = touched
    touched = []
    for path in paths { path.isTouched = false }
    for (index, path) in paths.enumerated() where !path.isOver {
      guard unsent.isEmpty else {
        // The rest waits until the kernel takes bytes again.
        for path in paths[index...] where !path.isOver && !path.isTouched { touch(path) }
        break
      }
      flush(path)
    }
    arm()
  }

  private func flush(_ path: QUICPath) {
    let limit = (bytes: Self.turnBytes, packets: DatagramSocket.maximumTrain.datagrams)
    guard let trains = path.connection.write(into: buffer, limit: limit, at: loop.now) else {
      return path.fail("a packet cannot be written")
    }
    if !trains.isEmpty { path.wrote() }
    for train in trains { send(train.range, segment: train.segment, to: path.connection.destination) }
    if path.isEstablished { table.unfinished.remove(path.number) }
    deadlines.set(path.number, path.connection.expiry)
    path.onFlushed?()
  }

  private func send(_ range: Range<Int>, segment: Int, to address: UnsafeRawBufferPointer) {
    let bytes = UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(buffer)[range])
    var accepted = 0
    if unsent.isEmpty {
      guard case .full(let count) = socket.send(bytes, segment: segment, to: address) else { return }
      accepted = count
    }
    unsent.append(UnsentTrain(bytes: Array(bytes[accepted...]), segment: segment, address: Array(address)))
  }

  private func becameWritable() {
    while let train = unsent.first {
      let result = train.bytes.withUnsafeBytes { bytes in
        train.address.withUnsafeBytes { socket.send(bytes, segment: train.segment, to: $0) }
      }
      if case .full(let accepted) = result {
        unsent[0].bytes.removeFirst(accepted)
        return
      }
      unsent.removeFirst()
    }
    flush()
  }

  // MARK: Time

  private func arm() {
    guard let next = deadlines.next, armedFor.map({ next < $0 }) ?? true else { return }
    armedFor = next
    timer.set(next)
  }

  private func expire() {
    armedFor = nil
    isBusy = true
    let now = loop.now
    while let number = deadlines.first(at: now) {
      deadlines.clear(number)
      if let path = table.paths[number] {
        path.expire(at: now)
      } else if let ended = table.endedByNumber.removeValue(forKey: number) {
        for id in ended.ids { table.ended[id] = nil }
        reportIdle()
      }
    }
    isBusy = false
    flush()
  }

  // MARK: The end

  /// A path is over; tells the peer what `farewell` says, and nothing if it is nil.
  func end(_ path: QUICPath, with farewell: Farewell?) {
    guard table.paths.removeValue(forKey: path.number) != nil else { return }
    for id in path.ids { table.byID[id] = nil }
    if let first = table.firstIDs.removeValue(forKey: path.number) { table.byFirstID[first] = nil }
    table.unfinished.remove(path.number)
    deadlines.clear(path.number)
    if let farewell, path.hasBegun { sendFarewell(farewell, of: path) }
    reportIdle()
    arm()
  }

  private func sendFarewell(_ farewell: Farewell, of path: QUICPath) {
    let now = loop.now
    let code: UInt64? = if case .code(let code) = farewell { code.rawValue } else { nil }
    let count = path.connection.writeClose(code: code, into: buffer, at: now)
    guard count > 0 else { return }
    let address = path.connection.destination
    let ended = EndedPath(ids: path.ids, packet: Array(buffer.prefix(count)), address: Array(address))
    send(0..<count, segment: count, to: address)
    for id in ended.ids { table.ended[id] = ended }
    table.endedByNumber[path.number] = ended
    deadlines.set(path.number, now + path.connection.probeTimeout * Self.farewellTimeouts)
  }

  private func reportIdle() { if isIdle { onIdle?() } }

  private func lose() {
    for (_, path) in table.paths.sorted(by: { $0.key < $1.key }) { path.lose() }
  }

  /// Closes the socket and drops what is left. Idempotent.
  func close() {
    lose()
    (onPath, onProbe, onIdle) = (nil, nil, nil)
    socket.close()
    timer.close()
  }
}
