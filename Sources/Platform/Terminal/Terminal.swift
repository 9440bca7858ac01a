import Glibc

/// A stream of the process that may be a terminal, and what text for it may contain.
package struct Terminal: Sendable {
  /// Whether a person is at the other end, rather than a file or a program.
  package let isInteractive: Bool
  /// Whether a line may be drawn again in place. False for terminals of the type `dumb`.
  package let canRedraw: Bool
  /// Whether text may be colored. False if the user asked for none (https://no-color.org).
  package let hasColor: Bool
  private let descriptor: Int32

  /// Examines an open file descriptor.
  ///
  /// - Parameters:
  ///   - type: the environment's `TERM`.
  ///   - isPlain: whether the user wants no colors (`NO_COLOR`).
  package init(descriptor: Int32, type: String? = nil, isPlain: Bool = false) {
    self.descriptor = descriptor
    isInteractive = isatty(descriptor) == 1
    canRedraw = isInteractive && type != "dumb"
    hasColor = canRedraw && !isPlain
  }

  /// Columns of the terminal, which change when the user resizes it; nil if this is no terminal, or its width is unknown.
  package var columns: Int? {
    var size = winsize()
    guard ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return nil }
    return Int(size.ws_col)
  }

  /// Rows of the terminal; nil if this is no terminal, or its height is unknown.
  package var rows: Int? {
    var size = winsize()
    guard ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0, size.ws_row > 0 else { return nil }
    return Int(size.ws_row)
  }

  /// Text that draws a line over the current one.
  package static func redrawing(_ line: String) -> String { "\r\u{1b}[K\(line)" }

  /// Whether a locale such as `de_DE.UTF-8` has characters in UTF-8; nil is the locale C.
  package static func isUTF8(locale: String?) -> Bool {
    let name = locale?.utf8.filter { $0 != UInt8(ascii: "-") }.map { $0 | 0x20 } ?? []
    let codeset = name.drop { $0 != UInt8(ascii: ".") }.dropFirst()
    return codeset.prefix(4).elementsEqual("utf8".utf8)
  }

  /// The text without characters that a terminal without UTF-8 cannot show.
  package static func inASCII(_ text: String) -> String {
    var result = ""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "█": result += "#"
      case "░": result += "-"
      case "…": result += "..."
      case _ where scalar.isASCII: result.unicodeScalars.append(scalar)
      default: result += "?"
      }
    }
    return result
  }

  /// The text in bold if this stream may have colors.
  package func bold(_ text: String) -> String { hasColor ? "\u{1b}[1m\(text)\u{1b}[0m" : text }

  /// The text in red if this stream may have colors.
  package func red(_ text: String) -> String { hasColor ? "\u{1b}[31m\(text)\u{1b}[0m" : text }
}
