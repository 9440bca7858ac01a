import Files
import Primitives

/// The lines of a file or of standard input.
final class LineReader {
  /// The longest line, in bytes.
  private static let maximumBytes = 64 << 20

  private let input: FileStream
  private let path: String
  private var buffer: [UInt8] = []
  /// The start of the next line in the buffer, and how far it was searched for the line's end.
  private var start = 0
  private var searched = 0
  private var hasEnded = false

  /// Opens a file; `-` is standard input.
  ///
  /// - Throws: `notFound`, `permissionDenied` or `storageFailed` if it cannot be opened.
  init(path: String) throws(KacheryError) {
    self.path = path
    do throws(KacheryError) { input = path == "-" ? .standardInput : try FileStream(path, .read) } catch {
      throw Self.problem(path, error)
    }
  }

  /// The next line without its line break; nil after the last. Calls `whenWaiting` before it waits for input.
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
      if !input.isReady { try whenWaiting() }
      try fill()
    }
  }

  private func fill() throws(KacheryError) {
    buffer.removeFirst(start)
    (start, searched) = (0, buffer.count)
    guard buffer.count <= Self.maximumBytes else {
      throw KacheryError(.tooLarge, "'\(path)' has a line longer than \(Self.maximumBytes) bytes.")
    }
    let block: [UInt8]
    do throws(KacheryError) { block = try input.read(atMost: Limits.blockSize) } catch {
      throw Self.problem(path, error)
    }
    hasEnded = block.isEmpty
    buffer += block
  }

  private static func problem(_ path: String, _ error: KacheryError) -> KacheryError {
    KacheryError(error.code, "'\(path)' cannot be read: \(error.systemReason ?? error.message).", cause: error.cause)
  }
}
