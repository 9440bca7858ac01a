internal import CUV
import Glibc

/// What the kernel knows about a connection, and how it is asked to treat it.
extension TCPConnection {
  /// Unsent bytes that the kernel accepts after `limitUnsentBytes`.
  private static let unsentLimit: Int32 = 128 << 10

  var descriptor: Int32? {
    var descriptor: uv_os_fd_t = -1
    guard !isClosing, uv_fileno(raw(as: uv_handle_t.self), &descriptor) == 0 else { return nil }
    return descriptor
  }

  /// What the other end has acknowledged; nil if the connection is closed, or if a proxy acknowledges what has not arrived.
  package var delivery: DeliveryState? {
    guard !isProxied, let descriptor else { return nil }
    let inKernel = CUV_unacknowledged_bytes(descriptor)
    guard inKernel >= 0 else { return nil }
    let waiting = uv_stream_get_write_queue_size(raw(as: uv_stream_t.self)) + Int(inKernel)
    return DeliveryState(
      acknowledged: writtenBytes - min(writtenBytes, UInt64(waiting)), unacknowledged: waiting,
      timeouts: Int(CUV_timeouts(descriptor)))
  }

  /// Asks for BBR, which keeps its rate when packets are lost, if the kernel has it and lets this user choose it.
  package func preferThroughput() {
    // Without it the connection stays as it is, only slower.
    if let descriptor { _ = Self.chooseBBR(on: descriptor) }
  }

  /// Whether the kernel has BBR and lets this user choose it.
  package static var canPreferThroughput: Bool {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    guard descriptor >= 0 else { return false }
    defer { Glibc.close(descriptor) }
    return chooseBBR(on: descriptor)
  }

  private static func chooseBBR(on descriptor: Int32) -> Bool {
    let name = "bbr"
    return setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_CONGESTION, name, socklen_t(name.utf8.count)) == 0
  }

  /// Lets the kernel accept only a few bytes ahead of those that it sends, so that later bytes do not wait behind many.
  package func limitUnsentBytes() {
    guard let descriptor else { return }
    set(TCP_NOTSENT_LOWAT, to: Self.unsentLimit, on: descriptor)
  }

  /// Bytes of data in a full segment that this end sends; nil if the connection is closed.
  package var segmentBytes: Int? {
    guard let descriptor else { return nil }
    var (value, size) = (Int32(0), socklen_t(MemoryLayout<Int32>.size))
    return getsockopt(descriptor, Int32(IPPROTO_TCP), TCP_MAXSEG, &value, &size) < 0 ? nil : Int(value)
  }

  func set(_ option: Int32, to value: Int32, on descriptor: Int32) {
    var value = value
    // A kernel that refuses it leaves the connection as it is.
    _ = setsockopt(descriptor, Int32(IPPROTO_TCP), option, &value, socklen_t(MemoryLayout<Int32>.size))
  }
}
