import Glibc
import Primitives

/// The lines of a file or of standard input.
final class LineReader {
  /// Of one line.
  private static let maximumBytes = 64 << 20

  private let descriptor: Int32
  private let path: String
  private var buffer: [UInt8] = []
  /// Where the first line in the buffer begins that was not handed out, and how far it was searched for its end.
  private var start = 0
  private var searched = 0
  private var hasEnded = false

  /// Opens a file; `-` is standard input.
  ///
  /// - Throws: `notFound`, `permissionDenied` or `storageFailed` where it cannot be opened.
  init(path: String) throws(KacheryError) {
    self.path = path
    descriptor = path == "-" ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw problem() }
  }

  deinit { if descriptor > STDIN_FILENO { close(descriptor) } }

  /// The next line without its end; nil behind the last. Does something else before it has to wait for one.
  func next(whenWaiting: () throws(KacheryError) -> Void) throws(KacheryError) -> [UInt8]? {
    while true {
      if let end = buffer[searched...].firstIndex(of: UInt8(ascii: "\n")) {
        defer { (start, searched) = (end + 1, end + 1) }
        return Array(buffer[start..<end])
      }
      searched = buffer.count
      guard !hasEnded else {
        defer { start = buffer.count }
        return start < buffer.count ? Array(buffer[start...]) : nil
      }
      if !isReady { try whenWaiting() }
      try fill()
    }
  }

  /// Whether there is something to read, or the end.
  private var isReady: Bool {
    var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
    return poll(&entry, 1, 0) != 0
  }

  private func fill() throws(KacheryError) {
    buffer.removeFirst(start)
    (start, searched) = (0, buffer.count)
    guard buffer.count <= Self.maximumBytes else {
      throw KacheryError(.tooLarge, "'\(path)' has a line of more than \(Self.maximumBytes) bytes.")
    }
    var block = [UInt8](repeating: 0, count: Limits.blockSize)
    let count = read(descriptor, &block, block.count)
    if count < 0, errno == EINTR { return }
    guard count >= 0 else { throw problem() }
    hasEnded = count == 0
    buffer += block.prefix(count)
  }

  private func problem() -> KacheryError {
    let number = errno
    let code: KacheryError.Code = number == ENOENT ? .notFound : number == EACCES ? .permissionDenied : .storageFailed
    return KacheryError(code, "'\(path)' cannot be read: \(String(cString: strerror(number))).")
  }
}
