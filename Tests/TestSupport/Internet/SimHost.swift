package import Primitives

/// A machine with UDP, and with TCP as Linux has it: one connection for each pair of endpoints, listeners beside dials from the same
/// port, simultaneous open.
package final class SimHost: SimStation {
  /// Why a dial fails.
  package enum DialError: Error {
    /// There is a connection, or an attempt, between the two endpoints.
    case exists
    case refused
  }

  struct Pair: Hashable {
    let port: UInt16
    let remote: Endpoint
  }

  package let address: String
  package unowned let internet: SimInternet
  private let gateway: SimNAT?
  private var sockets: [Pair: SimSocket] = [:]
  private var listeners: [UInt16: (SimSocket) -> Void] = [:]
  private var nextPort: UInt16 = 40_000
  /// Called with each datagram that arrives, its sender, and the port at which it arrives.
  package var onDatagram: ([UInt8], Endpoint, UInt16) -> Void = { _, _, _ in }

  /// - Parameter gateway: the NAT behind which it is; nil if it has a public address.
  package init(_ address: String, in internet: SimInternet, behind gateway: SimNAT? = nil) {
    self.address = address
    self.internet = internet
    self.gateway = gateway
    if let gateway { gateway.attach(self, at: address) } else { internet.attach(self, at: address) }
  }

  package func listen(on port: UInt16, _ accepted: @escaping (SimSocket) -> Void) { listeners[port] = accepted }

  /// Connects to the endpoint.
  ///
  /// - Parameters:
  ///   - port: from which to dial; nil for one that was not used before.
  ///   - done: called once, unless the socket is closed before.
  /// - Returns: the attempt; nil if it failed immediately.
  @discardableResult
  package func dial(
    from port: UInt16?, to remote: Endpoint, _ done: @escaping (Result<SimSocket, DialError>) -> Void
  ) -> SimSocket? {
    if port == nil { nextPort += 1 }
    guard let local = Endpoint(host: address, port: port ?? nextPort) else { return nil }
    let pair = Pair(port: local.port, remote: remote)
    guard sockets[pair] == nil else {
      done(.failure(.exists))
      return nil
    }
    let socket = SimSocket(self, local: local, remote: remote, state: .synSent)
    socket.onDone = done
    sockets[pair] = socket
    sendSYN(of: socket, again: [.seconds(1), .seconds(2), .seconds(4)][...])
    return socket
  }

  /// Sends a datagram.
  ///
  /// - Parameter isNear: whether it leaves the site, and arrives at no other.
  package func send(_ bytes: [UInt8], from port: UInt16, to remote: Endpoint, isNear: Bool = false) {
    guard let local = Endpoint(host: address, port: port) else { return }
    send(SimPacket(kind: .datagram(bytes, isNear: isNear), source: local, destination: remote, socket: nil))
  }

  private func sendSYN(of socket: SimSocket, again pauses: ArraySlice<Duration>) {
    guard socket.state == .synSent else { return }
    send(.syn, socket)
    guard let pause = pauses.first else { return }
    internet.clock.after(pause) { [weak self] in self?.sendSYN(of: socket, again: pauses.dropFirst()) }
  }

  func remove(_ socket: SimSocket) { sockets[Pair(port: socket.local.port, remote: socket.remote)] = nil }

  /// Ends every connection.
  package func cut() { for socket in Array(sockets.values) { socket.close() } }

  func dismantle() {
    for socket in Array(sockets.values) { socket.forget() }
    sockets = [:]
    listeners = [:]
    onDatagram = { _, _, _ in }
  }

  // MARK: Packets

  private func send(_ kind: SimPacket.Kind, _ socket: SimSocket) {
    send(SimPacket(kind: kind, source: socket.local, destination: socket.remote, socket: socket))
  }

  private func send(_ packet: SimPacket) {
    if let gateway { gateway.send(packet) } else { internet.carry(packet) }
  }

  func receive(_ packet: SimPacket) {
    let socket = sockets[Pair(port: packet.destination.port, remote: packet.source)]
    switch packet.kind {
    case .syn: receiveSYN(packet, socket)
    case .synAck:
      guard let socket, socket.state != .closed else { return send(packet.refusal) }
      guard socket.state != .open else { return send(.ack, socket) }
      socket.peer = packet.socket
      send(.ack, socket)
      socket.open()
    case .ack:
      // An old connection of the other end, which this one does not know.
      guard let socket, socket.state != .synSent else { return send(packet.refusal) }
      socket.open()
    case .rst: socket?.refused()
    case .datagram(let bytes, _): onDatagram(bytes, packet.source, packet.destination.port)
    }
  }

  private func receiveSYN(_ packet: SimPacket, _ known: SimSocket?) {
    if let known {
      guard known.state != .open else { return send(.ack, known) }
      known.state = .synReceived
      known.peer = packet.socket
      return send(.synAck, known)
    }
    guard let accepted = listeners[packet.destination.port] else { return send(packet.refusal) }
    let socket = SimSocket(self, local: packet.destination, remote: packet.source, state: .synReceived)
    socket.peer = packet.socket
    socket.onDone = { if case .success(let socket) = $0 { accepted(socket) } }
    sockets[Pair(port: packet.destination.port, remote: packet.source)] = socket
    send(.synAck, socket)
  }
}

/// One end of a TCP connection, or of an attempt to open one.
package final class SimSocket {
  enum State { case synSent, synReceived, open, closed }

  let local: Endpoint
  /// The other end, as this one sees it.
  package let remote: Endpoint
  var state: State
  package internal(set) weak var peer: SimSocket?
  var onDone: ((Result<SimSocket, SimHost.DialError>) -> Void)?
  /// Called for each message of the other end.
  package var onData: ((Any) -> Void)? {
    didSet { if let onData { while !early.isEmpty { onData(early.removeFirst()) } } }
  }
  /// Called when the other end has closed the connection.
  package var onEnd: (() -> Void)?
  private unowned let host: SimHost
  private var early: [Any] = []

  init(_ host: SimHost, local: Endpoint, remote: Endpoint, state: State) {
    self.host = host
    self.local = local
    self.remote = remote
    self.state = state
  }

  package var isOpen: Bool { state == .open }

  func open() {
    guard state != .open, state != .closed else { return }
    state = .open
    let tell = onDone
    onDone = nil
    tell?(.success(self))
  }

  func refused() {
    guard state != .closed else { return }
    let wasOpen = state == .open
    let tell = onDone
    let end = onEnd
    forget()
    host.remove(self)
    if wasOpen { end?() } else { tell?(.failure(.refused)) }
  }

  /// Sends a message. It arrives after everything sent before.
  package func send(_ message: Any) {
    guard state == .open, let peer else { return }
    host.internet.clock.after(host.internet.delay) { [weak peer] in peer?.take(message) }
  }

  private func take(_ message: Any) {
    // It may arrive before the acknowledgment, if that was lost.
    open()
    guard state == .open else { return }
    if let onData { onData(message) } else { early.append(message) }
  }

  /// Ends the connection, or the attempt. Idempotent.
  package func close() {
    guard state != .closed else { return }
    forget()
    host.remove(self)
    guard let peer else { return }
    host.internet.clock.after(host.internet.delay) { [weak peer] in peer?.refused() }
  }

  func forget() {
    state = .closed
    (onDone, onData, onEnd) = (nil, nil, nil)
  }
}
