import Crypto
import Primitives

extension Command {
  /// `kachery feed append`
  static let feedAppend = Command(
    name: "feed append", usage: "FEED/SUBFEED [MESSAGE…]", summary: "Appends messages to a subfeed.",
    details: """
      A message is a JSON object. Without messages among the arguments, it reads them from standard input, one per line,
      and appends them as they arrive. They are on disk when the command returns. Store large data as a file and append
      its URI.
      \(NamedFeed.explanation)
      """,
    options: NamedFeed.options + [
      Option("--file", "FILE", "read messages from this file, one per line; '-' is standard input"),
      Option("--submit", nil, "submit to the node that writes the feed, which must have granted access"), json, quiet,
    ],
    examples: [
      #"kachery feed append lab-notes/main '{"text": "the mouse ran"}'"#,
      "kachery feed append lab-notes/main --file messages.jsonl",
      "tail -f sensor.jsonl | kachery feed append lab-notes/sensor",
    ],
    run: { (arguments) throws(KacheryError) in
      let given = Array(arguments.operands.dropFirst())
      guard given.isEmpty || arguments.value("--file") == nil else {
        throw KacheryError(.badRequest, "Messages are given both as arguments and with --file; choose one.")
      }
      let client = try FeedClient.require()
      let feed = try NamedFeed(arguments, client)
      var appending = Appending(
        client: client, subfeed: try feed.key(), name: try feed.subfeed(), submits: arguments.has("--submit"))
      do throws(KacheryError) {
        if given.isEmpty {
          try appending.appendLines(of: try LineReader(path: arguments.value("--file") ?? "-"))
        } else {
          for (index, text) in given.enumerated() { try appending.take(Array(text.utf8), at: "argument \(index + 1)") }
          try appending.flush()
        }
      } catch {
        let count = appending.appended
        if count > 0 {
          Console.note("\(count == 1 ? "A message was" : "\(count) messages were") appended before this error:")
        }
        throw error
      }
      report(appending.appended, arguments)
      return .done
    })

  private static func report(_ count: Int, _ arguments: Arguments) {
    if arguments.has("--json") {
      Console.result((["appended": .integer(Int64(count))] as JSONValue).compact)
    } else if !arguments.has("--quiet") {
      Console.note(count == 1 ? "Appended a message." : "Appended \(count) messages.")
    }
  }
}

/// Messages on their way into a subfeed.
private struct Appending {
  /// Limits of one request: many messages share one write to the disk, and the daemon accepts 64 MiB.
  private static let maximumMessages = 1_000
  private static let maximumBytes = 4 << 20

  let client: FeedClient
  let subfeed: SubfeedKey
  let name: SubfeedName
  /// Whether messages are submitted to the node that writes the feed, instead of appended by this node's daemon.
  let submits: Bool
  private(set) var appended = 0
  private var messages: [JSONValue] = []
  private var bytes = 0

  init(client: FeedClient, subfeed: SubfeedKey, name: SubfeedName, submits: Bool) {
    self.client = client
    self.subfeed = subfeed
    self.name = name
    self.submits = submits
  }

  /// Appends every line: in batches if lines arrive fast, immediately if they arrive one by one.
  mutating func appendLines(of reader: LineReader) throws(KacheryError) {
    var number = 0
    while let line = try reader.next(whenWaiting: { () throws(KacheryError) in try self.flush() }) {
      number += 1
      guard line.contains(where: { $0 > 0x20 }) else { continue }
      do throws(KacheryError) { try take(line, at: "line \(number)") } catch {
        // The messages before the invalid one are valid.
        try flush()
        throw error
      }
    }
    try flush()
  }

  /// Adds a message to the batch, and first sends the batch if it is full.
  ///
  /// - Throws: `badRequest` if it is not a JSON object, or if a number in it cannot be signed exactly.
  mutating func take(_ text: [UInt8], at place: String) throws(KacheryError) {
    let message: JSONValue
    do { message = try JSONParser.parse(text) } catch {
      throw KacheryError(.badRequest, "The message in \(place) is not JSON: \(error).", cause: error)
    }
    guard message.object != nil else {
      throw KacheryError(.badRequest, "The message in \(place) is not a JSON object, such as {\"text\": \"hello\"}.")
    }
    do throws(KacheryError) { try SignedMessage.checkNumbers(of: message) } catch {
      throw KacheryError(.badRequest, "The message in \(place) cannot be appended. \(error.message)", cause: error)
    }
    if bytes + text.count > Self.maximumBytes || messages.count == Self.maximumMessages { try flush() }
    messages.append(message)
    bytes += text.count
  }

  /// Sends the batch.
  mutating func flush() throws(KacheryError) {
    guard !messages.isEmpty else { return }
    if submits {
      for message in messages {
        try client.submit(message, to: subfeed, timeout: .seconds(4))
        appended += 1
      }
    } else {
      try client.append(messages, to: subfeed, named: name)
      appended += messages.count
    }
    messages = []
    bytes = 0
  }
}
