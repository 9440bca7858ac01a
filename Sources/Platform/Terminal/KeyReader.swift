import Glibc

/// Reads single keys from a terminal, without showing them. The terminal is as before once `restore` was called.
package struct KeyReader: Sendable {
  /// A key with a meaning of its own.
  package enum Key: Hashable, Sendable {
    case character(UInt8)
    /// Ctrl-C, which then sends no signal.
    case interrupt
  }

  private let descriptor: Int32
  private let original: termios

  /// Prepares the terminal; nil if this is none.
  package init?(descriptor: Int32) {
    var settings = termios()
    guard tcgetattr(descriptor, &settings) == 0 else { return nil }
    self.descriptor = descriptor
    original = settings
    settings.c_lflag &= ~tcflag_t(ICANON | ECHO | ISIG)
    tcsetattr(descriptor, TCSANOW, &settings)
  }

  /// Waits for the next key; nil at the end of the input.
  package func next() -> Key? {
    var byte: UInt8 = 0
    while true {
      let count = read(descriptor, &byte, 1)
      if count == 1 { return byte == 3 ? .interrupt : .character(byte) }
      guard count < 0, errno == EINTR else { return nil }
    }
  }

  /// Makes the terminal as it was. Idempotent.
  package func restore() {
    var settings = original
    tcsetattr(descriptor, TCSANOW, &settings)
  }
}
