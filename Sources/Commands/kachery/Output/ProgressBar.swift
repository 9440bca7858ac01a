import APIModel
import Primitives
import Process

/// A progress line on the terminal. Drawn only if standard error is a terminal, at most ten times a second.
struct ProgressBar {
  private let isShown: Bool
  private let name: String
  private let start: Double
  private var drawnAt = 0.0
  private var isDrawn = false
  /// Bytes that were here at the start; they do not count towards the rate.
  private var base: UInt64?

  init(name: String, isQuiet: Bool) {
    isShown = !isQuiet && Console.canRedraw
    self.name = name.printable
    start = SteadyClock.seconds
  }

  /// Shows that `loaded` of `total` bytes have arrived, the latest from the node `source`.
  mutating func update(_ loaded: UInt64, of total: UInt64, from source: String?) {
    let now = SteadyClock.seconds
    let base = base ?? loaded
    self.base = base
    guard isShown, now - drawnAt >= 0.1 || loaded == total else { return }
    drawnAt = now
    isDrawn = true
    let line = Self.line(
      name: name, loaded: loaded, total: total, arrived: loaded - min(base, loaded), seconds: now - start,
      source: source, width: Console.width - 1)
    Console.redraw(line)
  }

  /// Shows the progress of a batch of files.
  mutating func update(_ progress: BatchLoadEvent.Progress) {
    let now = SteadyClock.seconds
    guard isShown, now - drawnAt >= 0.1 || progress.filesEnded == progress.filesTotal else { return }
    drawnAt = now
    isDrawn = true
    let seconds = now - start
    let rate = seconds > 0.05 ? "  \(Quantity.bytes(Double(progress.bytesLoaded) / seconds))/s" : ""
    let line =
      "\(progress.filesEnded) of \(progress.filesTotal) files  \(Quantity.bytes(Double(progress.bytesLoaded)))\(rate)"
    Console.redraw(line)
  }

  /// Shows a text instead of progress, if progress is unknown.
  mutating func announce(_ text: String) {
    guard isShown else { return }
    isDrawn = true
    Console.redraw("\(name)  \(text)")
  }

  /// Shows that a node is serving others first.
  mutating func update(_ busy: BusyNode) {
    let others = busy.others.map { $0 > 0 ? "; \($0) other \($0 == 1 ? "node waits" : "nodes wait") there" : "" } ?? ""
    announce("waiting for \(busy.node.hex.prefix(8)), which serves others first\(others)")
  }

  /// Leaves the line in place and starts a new one.
  mutating func end() {
    guard isDrawn else { return }
    isDrawn = false
    Console.note("")
  }

  /// The line for a terminal of this width: name, bar, share, bytes, rate, time left and source, as far as they fit.
  static func line(
    name: String, loaded: UInt64, total: UInt64, arrived: UInt64, seconds: Double, source: String?, width: Int
  ) -> String {
    let share = total == 0 ? 1 : min(1, Double(loaded) / Double(total))
    let rate = seconds > 0.05 ? Double(arrived) / seconds : 0
    var facts = ["\(Int(share * 100))%", "\(Quantity.bytes(Double(loaded))) of \(Quantity.bytes(Double(total)))"]
    if rate > 0 { facts.append("\(Quantity.bytes(rate))/s") }
    if rate > 0, loaded < total { facts.append("\(time(Double(total - loaded) / rate)) left") }
    if let source { facts.append("from \(source.prefix(8))") }
    var tail = facts.joined(separator: "  ")
    while tail.count + 24 > width, facts.count > 1 {
      facts.removeLast()
      tail = facts.joined(separator: "  ")
    }
    let room = max(0, width - tail.count - 2)
    let shownName = name.count <= room / 2 ? name : String(name.prefix(max(0, room / 2 - 1))) + "…"
    let barWidth = min(30, room - shownName.count - 3)
    guard barWidth >= 5 else { return String(tail.prefix(width)) }
    let filled = Int(share * Double(barWidth))
    let bar = String(repeating: "█", count: filled) + String(repeating: "░", count: barWidth - filled)
    return "\(shownName) \(bar)  \(tail)"
  }

  /// A time as minutes and seconds, or hours and minutes.
  static func time(_ seconds: Double) -> String {
    let whole = Int(min(seconds.rounded(.up), 359_999))
    func two(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }
    if whole < 3_600 { return "\(whole / 60):\(two(whole % 60))" }
    return "\(whole / 3_600) h \(two(whole % 3_600 / 60)) min"
  }
}
