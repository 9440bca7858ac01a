import Process

/// What a command waits for: a line that shows how long, on a terminal that can draw it again; otherwise one note for each
/// text.
struct StatusLine {
  private let isQuiet: Bool
  private let start = SteadyClock.seconds
  private var shown = ""

  init(isQuiet: Bool = false) { self.isQuiet = isQuiet }

  /// Shows the text, with the time since the start.
  mutating func show(_ text: String) {
    guard !isQuiet else { return }
    guard Console.canRedraw else {
      if shown != text { Console.note(text) }
      shown = text
      return
    }
    shown = text
    Console.redraw("\(text) \(ProgressBar.time(SteadyClock.seconds - start))")
  }

  /// Removes the line from the terminal.
  mutating func clear() {
    guard Console.canRedraw, !shown.isEmpty else { return }
    shown = ""
    Console.redraw("")
  }

  /// Writes a note that stays, above the line.
  mutating func note(_ text: String) {
    guard !isQuiet else { return }
    clear()
    Console.note(text)
  }
}
