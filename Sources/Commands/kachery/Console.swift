import Files
import Primitives
import Process

/// The terminal, or whatever stands in its place: results on standard output, everything else on standard error.
enum Console {
  /// Whether a person watches standard error.
  static var isInteractive: Bool { FileStream.standardError.isTerminal }

  /// Whether what is written to standard error may be colored (https://no-color.org).
  static var hasColor: Bool { isInteractive && Environment["NO_COLOR"] == nil && Environment["TERM"] != "dumb" }

  /// Columns of the terminal for notes; 80 where there is none or it does not say.
  static var width: Int { FileStream.standardError.columns ?? 80 }

  /// Columns for running text on standard output: those of the terminal, but no more than can be read with ease.
  static var pageWidth: Int { max(40, min(FileStream.standardOutput.columns ?? 80, 100)) }

  /// Writes a line of the result.
  static func result(_ line: String) { results([line]) }

  /// Writes lines of the result, all at once: whoever reads them need not wake up for each.
  static func results(_ lines: [String]) {
    guard !lines.isEmpty else { return }
    Array((lines.joined(separator: "\n") + "\n").utf8).withUnsafeBytes { output($0) }
  }

  /// Writes to standard output. Where it takes no more (its disk is full), the command has failed, and ends.
  static func output(_ bytes: UnsafeRawBufferPointer) {
    do throws(KacheryError) { try FileStream.standardOutput.write(bytes) } catch {
      self.error("Cannot write to standard output: \(error.systemReason ?? error.message).")
      CurrentProcess.end(ExitCode.failed.rawValue)
    }
  }

  /// Writes a line for the person.
  static func note(_ line: String) { show(line + "\n") }

  /// Writes text for the person as it is. A standard error that takes no more is no reason to fail.
  static func show(_ text: String) {
    Array(text.utf8).withUnsafeBytes { bytes in _ = try? FileStream.standardError.write(bytes) }
  }

  /// Whether the person at the terminal says yes. Nobody is asked where there is no terminal: then it is yes.
  static func confirms(_ question: String) -> Bool {
    guard FileStream.standardInput.isTerminal else { return true }
    show("\(question) [y/N] ")
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

  /// Messages may quote what other nodes sent: none of their control characters reaches the terminal.
  static func printable(_ text: String) -> String {
    String(String.UnicodeScalarView(text.unicodeScalars.map { $0.properties.generalCategory == .control ? " " : $0 }))
  }
}
