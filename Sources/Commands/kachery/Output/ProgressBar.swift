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
  private var pace: Pace
  /// Whether it is about a step of something that has a line of its own, so that only waiting is shown.
  private let isStep: Bool

  init(name: String, isQuiet: Bool, isStep: Bool = false) {
    self.isStep = isStep
    isShown = !isQuiet && Console.canRedraw
    self.name = name.printable
    start = SteadyClock.seconds
    pace = Pace(start)
  }

  /// Shows that `loaded` of `total` bytes have arrived, the latest from the node `source`.
  mutating func update(_ loaded: UInt64, of total: UInt64, from source: String?) {
    let now = SteadyClock.seconds
    let base = base ?? loaded
    self.base = base
    guard isShown, !isStep, now - drawnAt >= 0.1 || loaded == total else { return }
    drawnAt = now
    isDrawn = true
    let line = Self.line(
      name: name, loaded: loaded, total: total, arrived: loaded - min(base, loaded), seconds: now - start,
      source: source, width: Console.width - 1)
    Console.redraw(line)
  }

  /// Shows how many of several files have arrived, and how many bytes.
  mutating func update(_ done: FileBatch.Amount, of total: FileBatch.Amount) {
    let now = SteadyClock.seconds
    pace.note(done.bytes ?? 0, at: now)
    guard isShown, now - drawnAt >= 0.1 || done.files == total.files else { return }
    drawnAt = now
    isDrawn = true
    Console.redraw(Self.line(name: name, done, of: total, rate: pace.rate, width: Console.width - 1))
  }

  /// Shows that `number` of `total` files have been written, after all have arrived.
  mutating func writes(_ number: Int, of total: Int) {
    let now = SteadyClock.seconds
    guard now - drawnAt >= 0.1 else { return }
    drawnAt = now
    announce("writing: \(number) of \(total) files")
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
    if isStep { Console.redraw("") } else { Console.note("") }
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
    return line(name: name, share: share, tail: tail, width: width)
  }

  /// The line for several files. Shows the share of the bytes if their number is known, or else that of the files.
  static func line(
    name: String, _ done: FileBatch.Amount, of total: FileBatch.Amount, rate: Double, width: Int
  ) -> String {
    let bytes = done.bytes ?? 0
    let ofFiles = total.files == 0 ? 1 : Double(done.files) / Double(total.files)
    let ofBytes = total.bytes.flatMap { $0 == 0 ? nil : Double(bytes) / Double($0) }
    // What a document says about sizes need not be true.
    let share = done.files >= total.files ? 1 : min(0.99, ofBytes ?? ofFiles)
    var facts = ["\(Int(share * 100))%"]
    let amount = Quantity.bytes(Double(bytes))
    facts.append(total.bytes.map { "\(amount) of \(Quantity.bytes(Double($0)))" } ?? amount)
    facts.append("\(done.files) of \(total.files) files")
    if let all = total.bytes, rate > 0, done.files < total.files, all > bytes {
      facts.append("\(time(Double(all - bytes) / rate)) left")
    }
    if rate > 0 { facts.append("\(Quantity.bytes(rate))/s") }
    var tail = facts.joined(separator: "  ")
    while tail.count + 17 > width, facts.count > 1 {
      facts.removeLast()
      tail = facts.joined(separator: "  ")
    }
    return line(name: name, share: share, tail: tail, width: width)
  }

  private static func line(name: String, share: Double, tail: String, width: Int) -> String {
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

/// How fast bytes arrive: over the last five to ten seconds, so that what was here before does not count for long.
struct Pace {
  private static let period = 5.0

  private var earlier: (time: Double, bytes: UInt64)
  private var later: (time: Double, bytes: UInt64)
  private var now: (time: Double, bytes: UInt64)

  init(_ time: Double) {
    now = (time, 0)
    later = now
    earlier = now
  }

  /// Notes how many bytes have arrived by this time, in seconds.
  mutating func note(_ bytes: UInt64, at time: Double) {
    now = (time, bytes)
    guard time - later.time >= Self.period else { return }
    earlier = later
    later = now
  }

  /// In bytes per second; 0 if unknown.
  var rate: Double {
    let seconds = now.time - earlier.time
    return seconds > 0.05 && now.bytes > earlier.bytes ? Double(now.bytes - earlier.bytes) / seconds : 0
  }
}
