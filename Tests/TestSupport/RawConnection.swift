import Glibc

/// A TCP connection to this machine, over which a test sends bytes that no library would send. Blocks its thread.
package final class RawConnection {
  private let descriptor: Int32

  /// Connects; nil if nothing listens at the port, or there is no descriptor left.
  package init?(port: UInt16, seconds: Int = 20) {
    descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    guard descriptor >= 0 else { return nil }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    let result = withUnsafePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
    var patience = timeval(tv_sec: seconds, tv_usec: 0)
    setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
    guard result == 0 else { return nil }
  }

  deinit { close(descriptor) }

  /// Sends the text; false if the other side has closed the connection.
  @discardableResult
  package func send(_ text: String) -> Bool {
    let bytes = Array(text.utf8)
    return Glibc.send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL)) == bytes.count
  }

  /// What arrives until it contains `end`, or until the other side closes the connection or is silent for too long.
  package func receive(until end: String) -> String {
    var received: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 65_536)
    while true {
      let text = String(decoding: received, as: UTF8.self)
      guard !text.contains(end) else { return text }
      let count = recv(descriptor, &buffer, buffer.count, 0)
      guard count > 0 else { return text }
      received += buffer.prefix(count)
    }
  }

  /// What arrives until the other side closes the connection; nil if it does not, but is silent for too long.
  package func receiveToEnd() -> String? {
    var received: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 65_536)
    while true {
      let count = recv(descriptor, &buffer, buffer.count, 0)
      if count > 0 {
        received += buffer.prefix(count)
      } else {
        return count == 0 || errno == ECONNRESET ? String(decoding: received, as: UTF8.self) : nil
      }
    }
  }

  /// Whether the connection is open and nothing has arrived.
  package var isSilent: Bool {
    var byte: UInt8 = 0
    return recv(descriptor, &byte, 1, Int32(MSG_PEEK | MSG_DONTWAIT)) < 0 && errno == EAGAIN
  }
}
