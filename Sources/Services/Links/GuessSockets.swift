import EventLoop
import Primitives
import Wire

/// The sockets of one round that open many ports of this node's router toward another node. Bound to the loop.
final class GuessSockets {
  /// How long they stay open at most.
  static let life: Duration = .seconds(6)
  /// Descriptors that are left for everything else.
  static let spare = 256
  private static let pause: Duration = .milliseconds(1)

  /// Called with each datagram that begins like a probe.
  private let onProbe: ProbeHandler
  private let opening: SocketOpening
  private let host: String
  private let loop: EventLoop
  private var sockets: [UInt16: DatagramSocket] = [:]
  private var opener: Timer?
  private var end: Timer?
  private var left: Int

  /// Opens one socket a millisecond, until one cannot be opened.
  ///
  /// - Parameter host: the local address of the sockets, of IPv4.
  init(_ opening: SocketOpening, at host: String, on loop: EventLoop, onProbe: @escaping ProbeHandler) {
    self.opening = opening
    self.host = host
    self.loop = loop
    self.onProbe = onProbe
    left = opening.count
    end = loop.after(Self.life) { [weak self] in self?.close() }
    opener = loop.after(Self.pause, repeating: Self.pause) { [weak self] in self?.openNext() }
  }

  /// The number of sockets that are open.
  var count: Int { sockets.count }

  private func openNext() {
    guard left > 0, let socket = try? DatagramSocket.bind(on: loop, host: host, port: 0, hasSmallBuffers: true) else {
      opener?.cancel()
      return
    }
    guard socket.furtherDescriptors >= Self.spare else {
      socket.close()
      opener?.cancel()
      return
    }
    left -= 1
    let port = socket.endpoint.port
    socket.onDatagram = { [weak self] bytes, sender in
      guard Probe.begins(bytes), let sender = DatagramSocket.endpoint(of: sender) else { return }
      self?.onProbe(Array(bytes), sender, port)
    }
    sockets[port] = socket
    _ = socket.send(opening.datagram)
  }

  /// Sends a probe from the socket with this port.
  func send(_ probe: ProbeDatagram, from port: UInt16) { _ = sockets[port]?.send(probe) }

  /// Hands the socket with this port over; nil if there is none.
  func take(_ port: UInt16) -> DatagramSocket? {
    let socket = sockets.removeValue(forKey: port)
    socket?.onDatagram = nil
    socket?.enlargeBuffers()
    return socket
  }

  /// Closes the sockets. Idempotent.
  func close() {
    opener?.cancel()
    end?.cancel()
    for socket in sockets.values { socket.close() }
    sockets = [:]
  }
}

extension DatagramSocket {
  /// Sends a probe. It is lost if the kernel does not take it.
  ///
  /// - Returns: whether the socket can send to this address.
  func send(_ probe: ProbeDatagram) -> Bool {
    guard let address = address(of: probe.endpoint) else { return false }
    if let hopLimit = probe.hopLimit {
      send(probe.bytes, hopLimit: hopLimit, to: address)
    } else {
      probe.bytes.withUnsafeBytes { bytes in
        address.withUnsafeBytes { _ = send(bytes, segment: bytes.count, to: $0) }
      }
    }
    return true
  }
}
