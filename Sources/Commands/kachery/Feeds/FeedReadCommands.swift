import Crypto
import Files
import Primitives
import Process
import Threads

extension Command {
  private static let signed = Option("--signed", nil, "print each message as it was signed, as JSON")
  private static let local = Option("--local", nil, "only messages that are already on this node")
  private static let patience = Option(
    "--timeout", "SECONDS", "wait this long for the first message of another node's feed (3)")
  private static let lines = "One line per message: its number, time (UTC) and JSON; with --json, only the JSON."

  /// `kachery feed read`
  static let feedRead = Command(
    name: "feed read", usage: "FEED/SUBFEED", summary: "Prints the messages of a subfeed.",
    details: "\(lines)\n\(NamedFeed.explanation)",
    options: NamedFeed.options + [
      Option("--from", "NUMBER", "start with this message (0)"),
      Option("--to", "NUMBER", "stop before this message"),
      signed, local, patience, json,
    ],
    examples: [
      "kachery feed read lab-notes/main", "kachery feed read feed://…/main --from 100 --to 200 --json | jq .",
    ],
    run: { (arguments) throws(KacheryError) in
      let start = try arguments.count("--from") ?? 0
      let end = try arguments.count("--to") ?? .max
      guard start <= end else { throw KacheryError(.badRequest, "--from \(start) is after --to \(end).") }
      var reading = try Reading(arguments)
      var isEmpty = true
      try reading.present(from: start, before: end) { messages in
        isEmpty = false
        for message in messages { reading.style.print(message) }
      }
      if isEmpty { try reading.requireKnown() }
      return .done
    })

  /// `kachery feed tail`
  static let feedTail = Command(
    name: "feed tail", usage: "FEED/SUBFEED", summary: "Prints the last messages of a subfeed, and new ones.",
    details: "\(lines) With --follow it runs until stopped (Ctrl-C).\n\(NamedFeed.explanation)",
    options: NamedFeed.options + [
      Option("--follow", nil, "keep printing messages as they are appended", letter: "-f"),
      Option("--number", "COUNT", "print this many of the existing messages (10)", letter: "-n"),
      signed, local, patience, json,
    ],
    examples: ["kachery feed tail lab-notes/main", "kachery feed tail -f feed://…/main -n 0 --json"],
    run: { (arguments) throws(KacheryError) in
      let number = try arguments.count("--number") ?? 10
      var reading = try Reading(arguments)
      let count = try reading.client.count(reading.subfeed)
      var last: [JSONValue] = []
      let end = try reading.present(from: count - min(count, number), before: .max) { messages in
        last = Array((last + messages).suffix(Int(clamping: number)))
      }
      for message in last { reading.style.print(message) }
      guard arguments.has("--follow") else {
        if last.isEmpty { try reading.requireKnown() }
        return .done
      }
      // It may exist later.
      if last.isEmpty, let error = reading.ifUnknown() { Console.note("\(error.message) Waiting for it.") }
      try reading.follow(from: end)
      return .done
    })

  /// `kachery-p2p-print-messages`
  static let printMessages = Command(
    name: "print-messages", usage: "FEED/SUBFEED",
    summary: "Prints every message of a subfeed as JSON, then new ones as they arrive.",
    details: "It runs until stopped (Ctrl-C). 'kachery feed read' and 'kachery feed tail' do more.",
    options: [signed], examples: ["kachery-p2p-print-messages feed://…/main"],
    run: { (arguments) throws(KacheryError) in
      var reading = try Reading(arguments, style: arguments.has("--signed") ? .signed : .plain)
      try reading.follow(from: 0)
      return .done
    })
}

/// A subfeed, read according to the options.
private struct Reading {
  let client: FeedClient
  let subfeed: SubfeedKey
  let style: MessageStyle
  private let name: SubfeedName
  private let isLocal: Bool
  /// How long to wait for the first message from another node.
  private var patience = Duration.zero

  /// How long to wait for the next message once one has arrived.
  private static let pause = Duration.milliseconds(300)

  init(_ arguments: Arguments, style: MessageStyle? = nil) throws(KacheryError) {
    _ = try arguments.operand("feed")
    client = try FeedClient.require()
    let named = try NamedFeed(arguments, client)
    subfeed = try named.key()
    name = try named.subfeed()
    self.style = style ?? (arguments.has("--signed") ? .signed : arguments.has("--json") ? .plain : .line)
    let wanted = try arguments.seconds("--timeout")
    isLocal = arguments.has("--local")
    guard !isLocal else { return }
    do throws(KacheryError) {
      let location = try client.location(of: named.id, timeout: wanted ?? .seconds(6))
      patience = location.isWriteable ? .zero : wanted ?? .seconds(3)
      if !location.isWriteable, location.node == nil { Self.noteAbsence() }
    } catch {
      guard ExitCode(error) == .notFound, try client.count(subfeed) > 0 else { throw error }
      Self.noteAbsence()
    }
  }

  /// - Throws: `notFound` if nothing of the subfeed is here, and the feed's writer has published other names only.
  func requireKnown() throws(KacheryError) {
    guard try client.count(subfeed) == 0 else { return }
    try client.fetchNames(of: subfeed.feed, wait: patience)
    try UnknownSubfeed.refuse(name, in: try client.holdings(of: subfeed.feed))
  }

  /// The same error, if there is one.
  func ifUnknown() -> KacheryError? {
    do throws(KacheryError) { try requireKnown() } catch { return error.code == .notFound ? error : nil }
    return nil
  }

  private static func noteAbsence() {
    Console.note("The node that writes this feed is not online; these are the messages that are available.")
  }

  /// Passes on the existing messages from `start` until before `end`; returns the position after them.
  @discardableResult
  func present(
    from start: UInt64, before end: UInt64, _ receive: ([JSONValue]) -> Void
  ) throws(KacheryError) -> UInt64 {
    var reader = reader(from: start)
    var wait = patience
    while true {
      let messages = try reader.next(before: end, wait: wait)
      guard !messages.isEmpty else { return reader.position }
      receive(messages)
      wait = min(patience, Self.pause)
    }
  }

  /// Prints messages as they arrive, without end.
  ///
  /// Ends when the reader of the output does, even while there is nothing to print.
  func follow(from position: UInt64) throws(KacheryError) {
    var reader = reader(from: position)
    try SystemThread.run(named: "output") {
      FileStream.standardOutput.waitUntilUnread()
      ProcessSignal.brokenPipe.endProcess()
    }
    try reader.follow { messages in
      for message in messages { style.print(message) }
      return true
    }
  }

  private func reader(from position: UInt64) -> SubfeedReader {
    SubfeedReader(client, subfeed, from: position, isSigned: style != .plain, isLocal: isLocal)
  }
}

/// How a message is printed.
private enum MessageStyle {
  /// Its JSON alone.
  case plain
  /// The whole document with its signature.
  case signed
  /// Number, time and JSON, for people.
  case line

  func print(_ message: JSONValue) {
    switch self {
    case .plain: Console.result(Self.text(message))
    case .signed: Console.result(message.compact)
    case .line:
      let body = message["body"] ?? .null
      let seconds = Int(clamping: (body["timestamp"]?.unsigned ?? 0) / 1_000)
      let time = "\(Day(seconds: seconds)):\(String(100 + seconds % 60).suffix(2))"
      Console.result("\(body["messageNumber"]?.unsigned ?? 0)  \(time)  \(Self.text(body["message"] ?? .null))")
    }
  }

  /// Printable text: messages are untrusted, so no control character reaches the terminal.
  private static func text(_ message: JSONValue) -> String {
    String(decoding: message.bytes(in: .readable), as: UTF8.self).printable
  }
}
