import Files
import Primitives
import Process
import Terminal
import Threads

extension Command {
  /// `kachery top`
  static let top = Command(
    name: "top", usage: "", summary: "Shows what the daemon does, as it happens: transfers, peers and channels.",
    details: """
      The terminal is drawn again as something changes, until q is pressed. It is the same as on the page of the daemon,
      whose address 'kachery daemon status' prints. With --once, and where no terminal reads the result, it is printed once,
      after about a second in which the rates are measured.
      """,
    options: [Option("--once", nil, "print it once and end")], examples: ["kachery top", "kachery top --once"],
    run: { (arguments) throws(KacheryError) in
      if let extra = arguments.operands.first { throw KacheryError(.badRequest, "Unexpected argument '\(extra)'.") }
      let client = try DaemonClient.require()
      let terminal = Terminal(
        descriptor: FileStream.standardOutput.descriptor, type: Environment["TERM"],
        isPlain: Environment["NO_COLOR"] != nil)
      guard !arguments.has("--once"), terminal.canRedraw else { return try printOnce(client) }
      return try TopScreen(terminal).show(client)
    })

  private static func printOnce(_ client: DaemonClient) throws(KacheryError) -> ExitCode {
    var frame = TopFrame()
    try TopScreen.follow(client) { name, data in
      frame.take(name, data)
      return !frame.isComplete
    }
    guard frame.isComplete else { throw TopScreen.ended }
    Console.results(frame.lines(width: 200, height: nil).map(\.text))
    return .done
  }
}

/// A terminal that shows frames on a screen of its own, which vanishes at the end.
private struct TopScreen {
  static let ended = KacheryError(.disconnected, "The daemon has ended the stream; it stops, or was stopped.")

  private static let begin = "\u{1b}[?1049h\u{1b}[?25l"
  private static let end = "\u{1b}[?25h\u{1b}[?1049l"

  private let terminal: Terminal

  init(_ terminal: Terminal) { self.terminal = terminal }

  func show(_ client: DaemonClient) throws(KacheryError) -> ExitCode {
    let keys = KeyReader(descriptor: FileStream.standardInput.descriptor)
    let leave: @Sendable () -> Void = {
      keys?.restore()
      Self.write(Self.end)
    }
    Interruption.expect(advice: nil, leave)
    Self.write(Self.begin)
    defer { leave() }
    if let keys {
      try SystemThread.run(named: "keys") {
        while let key = keys.next() {
          guard [.interrupt, .character(UInt8(ascii: "q"))].contains(key) else { continue }
          leave()
          CurrentProcess.end(key == .interrupt ? 130 : ExitCode.done.rawValue)
        }
      }
    }
    var frame = TopFrame()
    try Self.follow(client) { name, data in
      frame.take(name, data)
      if frame.isComplete || name == "status" { draw(frame) }
      return true
    }
    throw Self.ended
  }

  /// Passes on the events of a daemon that has answered before.
  static func follow(_ client: DaemonClient, _ receive: (String, JSONValue) -> Bool) throws(KacheryError) {
    do throws(KacheryError) { try client.events(receive) } catch {
      throw error.code == .disconnected ? ended : error
    }
  }

  /// Draws over the last frame, in the size that the terminal has now.
  private func draw(_ frame: TopFrame) {
    let (width, height) = (terminal.columns ?? 80, terminal.rows ?? 24)
    let lines = frame.lines(width: width, height: height - 1).map { line in
      let text = Console.encodable(line.text)
      return line.isHeading ? terminal.bold(text) : text
    }
    Self.write("\u{1b}[H" + lines.map { "\($0)\u{1b}[K\n" }.joined() + "\u{1b}[J")
  }

  private static func write(_ text: String) {
    Array(text.utf8).withUnsafeBytes { bytes in _ = try? FileStream.standardOutput.write(bytes) }
  }
}
