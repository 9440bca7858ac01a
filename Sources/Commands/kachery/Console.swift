import Files
import Glibc

/// The terminal, or whatever stands in its place: results on standard output, everything else on standard error.
enum Console {
  /// Whether a person watches standard error.
  static var isInteractive: Bool { isatty(STDERR_FILENO) == 1 }

  /// Whether what is written to standard error may be colored (https://no-color.org).
  static var hasColor: Bool { isInteractive && Environment["NO_COLOR"] == nil && Environment["TERM"] != "dumb" }

  /// Columns of the terminal for notes; 80 where there is none or it does not say.
  static var width: Int { columns(of: STDERR_FILENO) }

  /// Columns for running text on standard output: those of the terminal, but no more than can be read with ease.
  static var pageWidth: Int { max(40, min(columns(of: STDOUT_FILENO), 100)) }

  private static func columns(of descriptor: Int32) -> Int {
    var size = winsize()
    guard ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return 80 }
    return Int(size.ws_col)
  }

  /// Writes a line of the result.
  static func result(_ line: String) { results([line]) }

  /// Writes lines of the result, all at once: whoever reads them need not wake up for each.
  static func results(_ lines: [String]) {
    guard !lines.isEmpty else { return }
    Array((lines.joined(separator: "\n") + "\n").utf8).withUnsafeBytes { output($0) }
  }

  /// Writes to standard output. Where it takes no more (its disk is full), the command has failed, and ends.
  static func output(_ bytes: UnsafeRawBufferPointer) {
    guard !writeAll(bytes, to: STDOUT_FILENO) else { return }
    error("Cannot write to standard output: \(String(cString: strerror(errno))).")
    FileSystem.endProcess(ExitCode.failed.rawValue)
  }

  /// Writes a line for the person.
  static func note(_ line: String) { write(Array((line + "\n").utf8), to: STDERR_FILENO) }

  /// Whether the person at the terminal says yes. Nobody is asked where there is no terminal: then it is yes.
  static func confirms(_ question: String) -> Bool {
    guard isatty(STDIN_FILENO) == 1 else { return true }
    write(Array("\(question) [y/N] ".utf8), to: STDERR_FILENO)
    return ["y", "yes"].contains(readLine()?.lowercased() ?? "")
  }

  /// Writes an error for the person.
  static func error(_ sentence: String) {
    let mark = hasColor ? "\u{1b}[31mError:\u{1b}[0m" : "Error:"
    let text = printable(sentence)
    // For a program one line, for a person lines that break between words.
    guard isInteractive else { return note("\(mark) \(text)") }
    let lines = Paragraph.lines(text, width: width, first: "Error: ", rest: "       ")
    note(mark + lines.joined(separator: "\n").dropFirst("Error:".count))
  }

  /// Writes all bytes; gives up when the other side takes no more.
  static func write(_ bytes: [UInt8], to descriptor: Int32) {
    _ = bytes.withUnsafeBytes { writeAll($0, to: descriptor) }
  }

  /// Writes all bytes; says whether the other side took them.
  static func writeAll(_ bytes: UnsafeRawBufferPointer, to descriptor: Int32) -> Bool {
    var rest = bytes[...]
    while !rest.isEmpty {
      let piece = UnsafeRawBufferPointer(rebasing: rest)
      let count = Glibc.write(descriptor, piece.baseAddress, piece.count)
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { return false }
      rest = rest.dropFirst(count)
    }
    return true
  }

  /// Messages may quote what other nodes sent: none of their control characters reaches the terminal.
  static func printable(_ text: String) -> String {
    String(String.UnicodeScalarView(text.unicodeScalars.map { $0.properties.generalCategory == .control ? " " : $0 }))
  }
}

/// The environment's variables.
enum Environment {
  /// The value of a variable; nil where it is unset or empty.
  static subscript(name: String) -> String? {
    guard let value = getenv(name) else { return nil }
    let text = String(cString: value)
    return text.isEmpty ? nil : text
  }
}
