import Files
import Primitives
import Process
import Terminal

/// The command's output: results on standard output, everything else on standard error.
enum Console {
  private static let notes = Terminal(
    descriptor: FileStream.standardError.descriptor, type: Environment["TERM"], isPlain: Environment["NO_COLOR"] != nil)

  /// Whether standard error is a terminal.
  static var isInteractive: Bool { notes.isInteractive }

  /// Whether a person sees the results.
  private static let isShown = Terminal(descriptor: FileStream.standardOutput.descriptor).isInteractive

  /// Whether a line on standard error may be drawn again.
  static var canRedraw: Bool { notes.canRedraw }

  /// Columns of the terminal for notes; 80 if there is none or its width is unknown.
  static var width: Int { notes.columns ?? 80 }

  /// Columns for running text on standard output: the terminal's, within a readable range.
  static var pageWidth: Int {
    max(40, min(Terminal(descriptor: FileStream.standardOutput.descriptor).columns ?? 80, 100))
  }

  /// Writes a line of the result.
  static func result(_ line: String) { results([line]) }

  /// Writes lines of the result in one write, so that a reader need not wake up for each. A program gets them exactly as
  /// they are, a terminal without characters that it would obey.
  static func results(_ lines: [String]) {
    guard !lines.isEmpty else { return }
    let text = lines.joined(separator: "\n") + "\n"
    Array((isShown ? text.printableLines : text).utf8).withUnsafeBytes { output($0) }
  }

  /// Writes to standard output. If that fails, for example because the disk is full, the command ends with an error.
  static func output(_ bytes: UnsafeRawBufferPointer) {
    do throws(KacheryError) { try FileStream.standardOutput.write(bytes) } catch {
      self.error("Cannot write to standard output: \(error.systemReason ?? error.message).")
      CurrentProcess.end(ExitCode.failed.rawValue)
    }
  }

  /// Writes a line to standard error.
  static func note(_ line: String) { show(line.printableLines + "\n") }

  /// Writes text to standard error, unchanged. Ignores failures.
  static func show(_ text: String) {
    Array(text.utf8).withUnsafeBytes { bytes in _ = try? FileStream.standardError.write(bytes) }
  }

  /// Asks a question and returns whether the answer is yes. Returns true, without asking, if there is no terminal.
  static func confirms(_ question: String) -> Bool {
    guard Terminal(descriptor: FileStream.standardInput.descriptor).isInteractive else { return true }
    show("\(question) [y/N] ")
    return ["y", "yes"].contains(readLine()?.lowercased() ?? "")
  }

  /// Writes an error to standard error.
  static func error(_ sentence: String) {
    let mark = notes.red("Error:")
    let text = sentence.printable
    // One line for programs; wrapped between words on a terminal.
    guard isInteractive else { return show("\(mark) \(text)\n") }
    let lines = Paragraph.lines(text, width: width, first: "Error: ", rest: "       ")
    show(mark + lines.joined(separator: "\n").dropFirst("Error:".count) + "\n")
  }

  /// The text in characters that the terminal can show.
  static func encodable(_ text: String) -> String { hasUTF8 ? text : Terminal.inASCII(text) }

  /// Draws a line on standard error over the last one, cut to the width of the terminal.
  static func redraw(_ line: String) {
    let text = encodable(line.printable)
    show(Terminal.redrawing(String(text.prefix(width - 1))))
  }

  /// Whether the locale's characters are in UTF-8. The first variable that is set decides (locale(7)).
  private static let hasUTF8 = Terminal.isUTF8(
    locale: Environment["LC_ALL"] ?? Environment["LC_CTYPE"] ?? Environment["LANG"])
}
