import Crypto
import Primitives

extension Command {
  /// `kachery feed append`
  static let feedAppend = Command(
    name: "feed append", usage: "FEED/SUBFEED [MESSAGE…]", summary: "Appends messages to a subfeed.",
    details: """
      A message is a JSON object. Without any in the arguments they are read from standard input, one in each line, and
      appended as they come. They are on the disk when this returns. What is large is better stored as a file, and its URI
      sent.
      \(NamedFeed.explanation)
      """,
    options: NamedFeed.options + [
      Option("--file", "FILE", "read messages from this file, one in each line; '-' is standard input"),
      Option("--submit", nil, "ask the node that writes the feed, which must have granted it to this one"), json, quiet,
    ],
    examples: [
      #"kachery feed append lab-notes/main '{"text": "the mouse ran"}'"#,
      "kachery feed append lab-notes/main --file messages.jsonl",
      "tail -f sensor.jsonl | kachery feed append lab-notes/sensor",
    ],
    run: { (arguments) throws(KacheryError) in
      let given = Array(arguments.operands.dropFirst())
      guard given.isEmpty || arguments.value("--file") == nil else {
        throw KacheryError(.badRequest, "Messages are given both as arguments and by --file; choose one.")
      }
      let client = try FeedClient.require()
      let feed = try NamedFeed(arguments, client)
      var appending = Appending(client: client, subfeed: try feed.key(), submits: arguments.has("--submit"))
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
          Console.note("\(count == 1 ? "A message was" : "\(count) messages were") appended before this:")
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
  /// Of one request: many messages share one write to the disk, and the daemon takes 64 MiB.
  private static let maximumMessages = 1_000
  private static let maximumBytes = 4 << 20

  let client: FeedClient
  let subfeed: SubfeedKey
  /// Whether the node that writes the feed is asked, not this one's daemon.
  let submits: Bool
  private(set) var appended = 0
  private var messages: [JSONValue] = []
  private var bytes = 0

  init(client: FeedClient, subfeed: SubfeedKey, submits: Bool) {
    self.client = client
    self.subfeed = subfeed
    self.submits = submits
  }

  /// Appends every line, in pieces where they come fast, and at once where they come one by one.
  mutating func appendLines(of reader: LineReader) throws(KacheryError) {
    var number = 0
    while let line = try reader.next(whenWaiting: { () throws(KacheryError) in try self.flush() }) {
      number += 1
      guard line.contains(where: { $0 > 0x20 }) else { continue }
      do throws(KacheryError) { try take(line, at: "line \(number)") } catch {
        // What came before the mistake was right.
        try flush()
        throw error
      }
    }
    try flush()
  }

  /// Takes a message in, and sends what has gathered where that is enough.
  ///
  /// - Throws: `badRequest` where it is no JSON object, or if a number in it cannot be signed as it is.
  mutating func take(_ text: [UInt8], at place: String) throws(KacheryError) {
    let message: JSONValue
    do { message = try JSONParser.parse(text) } catch {
      throw KacheryError(.badRequest, "The message in \(place) is not JSON: \(error).", cause: error)
    }
    guard message.object != nil else {
      throw KacheryError(.badRequest, "The message in \(place) is no JSON object, such as {\"text\": \"hello\"}.")
    }
    do throws(KacheryError) { try SignedMessage.checkNumbers(of: message) } catch {
      throw KacheryError(.badRequest, "The message in \(place) cannot be appended. \(error.message)", cause: error)
    }
    if bytes + text.count > Self.maximumBytes || messages.count == Self.maximumMessages { try flush() }
    messages.append(message)
    bytes += text.count
  }

  /// Sends what has gathered.
  mutating func flush() throws(KacheryError) {
    guard !messages.isEmpty else { return }
    if submits {
      for message in messages {
        try client.submit(message, to: subfeed, timeout: .seconds(4))
        appended += 1
      }
    } else {
      try client.append(messages, to: subfeed)
      appended += messages.count
    }
    messages = []
    bytes = 0
  }
}
