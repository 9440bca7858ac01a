import Crypto
import Foundation
import Primitives
import TestSupport
import Testing

/// `kachery feed …` as its users see it, with a daemon.
@Suite(.serialized, .timeLimit(.minutes(2))) struct FeedCommandTests {
  private let folder: TemporaryFolder
  private let daemon: RunningDaemon

  init() throws {
    folder = try TemporaryFolder()
    daemon = try RunningDaemon(in: folder.path("node"), [])
  }

  @discardableResult
  private func feed(
    _ arguments: String..., input: String? = nil
  ) throws -> (code: Int32, output: String, errors: String) {
    try run("kachery", ["feed"] + arguments, in: folder.path, environment: daemon.environment, input: input)
  }

  private func createFeed(_ name: String) throws -> String {
    let created = try feed("create", name)
    #expect(created.code == 0, "\(created)")
    let uri = created.output.trimmingCharacters(in: .newlines)
    _ = try FeedURI(parsing: uri)
    return uri
  }

  @Test func whatIsAppendedIsRead() throws {
    let uri = try createFeed("lab")
    #expect(try feed("append", "lab/main", #"{"n": 0, "text": "größer ✓"}"#, #"{"n": 1}"#).code == 0)
    #expect(try feed("append", "\(uri)/main", input: "{\"n\": 2}\n\n{\"n\": 3}").errors == "Appended 2 messages.\n")
    try Data("{\"n\":4}\n".utf8).write(to: URL(filePath: folder.path("messages.jsonl")))
    #expect(try feed("append", "lab", "--subfeed", "main", "--file", "messages.jsonl", "--quiet").errors == "")
    let all = try feed("read", "lab/main", "--json")
    #expect(all.output == "{\"n\":0,\"text\":\"größer ✓\"}\n" + (1...4).map { "{\"n\":\($0)}\n" }.joined())
    #expect(try feed("read", "\(uri)/main", "--from", "1", "--to", "3", "--json").output == "{\"n\":1}\n{\"n\":2}\n")
    #expect(try feed("read", "\(uri)/main", "--from", "9").output == "")
    #expect(try feed("tail", "lab/main", "-n", "2", "--json").output == "{\"n\":3}\n{\"n\":4}\n")
    let line = try feed("tail", "lab/main", "-n", "1").output
    #expect(line.wholeMatch(of: /4  20\d\d-\d\d-\d\d \d\d:\d\d:\d\d  \{"n":4\}\n/) != nil, "\(line)")
  }

  @Test func signedMessagesAreWhatWasSigned() throws {
    let id = try FeedURI(parsing: try createFeed("lab")).feed
    try feed("append", "lab/main", #"{"b": 1.0, "a": "é"}"#, #"{"n": 1}"#)
    let lines = try feed("read", "lab/main", "--signed").output.split(separator: "\n")
    let messages = try lines.map { try JSONParser.parse(Array($0.utf8)) }
    #expect(messages.count == 2)
    let signer = try #require(NodeID(bytes: id.bytes))
    for message in messages {
      let signature = try #require(message["signature"]?.string.flatMap { Hex.decode($0) })
      #expect(signer.verify(signature: signature, of: CanonicalJSON.encode(try #require(message["body"]))))
    }
    #expect(messages[1]["body"]?["previousSignature"] == messages[0]["signature"])
  }

  @Test func subfeedsAreNamedInManyWays() throws {
    let uri = try createFeed("lab/notes 1")
    let hash = ContentHash.of(Array("main".utf8)).hex
    try feed("append", "lab/notes 1", "--subfeed", "main", #"{"n": 0}"#)
    try feed("append", "\(uri)/main", #"{"n": 1}"#)
    try feed("append", "\(uri)/~\(hash)", #"{"n": 2}"#)
    #expect(try feed("read", uri, "--subfeed", "main", "--json").output == "{\"n\":0}\n{\"n\":1}\n{\"n\":2}\n")
    // The hash of Python's json.dumps({"b": [1, None], "a": "é"}, sort_keys=True, separators=(",", ":")).
    try feed("append", uri, "--subfeed-json", #"{"b": [1, null], "a": "é"}"#, #"{"n": 3}"#)
    #expect(try feed("read", "\(uri)/~3b589c91a0c735552656f1564fea5d8c585ddc63", "--json").output == "{\"n\":3}\n")
    #expect(try feed("read", uri).code == 2)
    #expect(try feed("read", "\(uri)/main", "--subfeed", "other").code == 2)
    #expect(try feed("read", "\(uri)/~12").code == 2)
  }

  @Test func feedsAreListedDescribedAndDeleted() throws {
    #expect(try feed("list").errors.contains("There are no feeds"))
    let uri = try createFeed("lab")
    try feed("append", "lab/main", "{}", "{}")
    #expect(try feed("list").output == "\(uri)  w  1 subfeed, 2 messages  lab\n")
    let entry = try JSONParser.parse(Array(try feed("list", "--json").output.utf8))
    #expect(entry["names"] == ["lab"] && entry["messages"]?.integer == 2)
    let hash = ContentHash.of(Array("main".utf8)).hex
    try feed("append", "lab/other", "{}")
    let whole = try feed("info", "lab").output
    #expect(whole.contains(": 1 message here\n") && whole.contains("main (~\(hash)): 2 messages here\n"), "\(whole)")
    let report = try feed("info", "lab/main").output
    #expect(!report.contains(": 1 message here"))
    #expect(try feed("info", "lab/none").errors.contains("no subfeed 'none'. It has main, other."))
    #expect(try feed("info", "lab/~\(String(repeating: "0", count: 40))").output.hasSuffix(": 0 messages here\n"))
    for line in ["Feed: \(uri)", "Name: lab", "Written by: this node", "Subfeed main (~\(hash)): 2 messages here"] {
      #expect(report.contains("\(line)\n"), "\(report)")
    }
    let again = try feed("create", "lab")
    #expect(again.code == 2 && again.errors.contains("already"))
    #expect(try feed("delete", "lab/main").code == 2)
    #expect(try feed("delete", "lab").errors == "Deleted \(uri).\n")
    #expect(try feed("list").output == "")
    #expect(try feed("read", "lab/main").code == 3)
    #expect(try feed("read", "\(uri)/main", "--timeout", "0.1").code == 3)
    #expect(try feed("delete", uri).code == 3)
  }

  @Test func accessIsGrantedAndRevoked() throws {
    _ = try createFeed("lab")
    let (one, other) = (String(repeating: "1a", count: 32), String(repeating: "2b", count: 32))
    #expect(try feed("grant", "lab/main", one, other).errors.contains("2 other nodes"))
    #expect(try feed("grant", "lab/main", one, "--quiet").errors == "")
    let report = try feed("info", "lab/main").output
    #expect(report.contains("  may submit: \(one)\n") && report.contains("  may submit: \(other)\n"))
    #expect(try feed("revoke", "lab/main", one).errors.contains("1 other node may"))
    let left = try feed("revoke", "lab/main", String(repeating: "3c", count: 32), "--json").output
    #expect(
      left
        == "{\"rules\":[{\"nodeId\":\"\(other)\",\"write\":true},{\"nodeId\":\"\(one)\",\"write\":false}]}\n")
    #expect(try feed("grant", "lab/main").code == 2)
    #expect(try feed("grant", "lab/main", "1a").code == 2)
  }

  @Test func aSnapshotIsTheFileThatPublishedClientsStore() throws {
    _ = try createFeed("lab")
    try feed("append", "lab/main", #"{"n": 0, "text": "é"}"#)
    let hash = ContentHash.of(Array("main".utf8)).hex
    let content = #"{"subfeeds":{"\#(hash)":{"subfeedHash":"\#(hash)","messages":[{"n":0,"text":"\u00e9"}]}}}"#
    let stored = try feed("snapshot", "lab/main")
    #expect(stored.output == "sha1://\(ContentHash.of(Array(content.utf8)))/feed.json\n")
    let uri = stored.output.trimmingCharacters(in: .newlines)
    let read = try run("kachery-cat", [uri], in: folder.path, environment: daemon.environment)
    #expect(read.output == content)
    #expect(try feed("snapshot", "lab").code == 2)
    #expect(try feed("snapshot", "lab", "--subfeed", "main", "--subfeed", "empty").errors.contains("No messages in"))
  }

  @Test func errorsSayWhatIsWrong() throws {
    let uri = try createFeed("lab")
    for (arguments, code, word) in [
      (["append", "lab/main", "[1]"], 2, "not a JSON object"), (["append", "lab/main", "{"], 2, "argument 1"),
      (["append", "lab/main", #"{"a":[9007199254740993]}"#], 2, "9007199254740993 at $.a[0] "),
      (["append", "lab/main", "{}", "--file", "-"], 2, "--file"),
      (["append", "lab/main", "--file", "none"], 3, "none"),
      (["append", "unknown/main", "{}"], 3, "kachery feed list"),
      (["append", "feed://12/main", "{}"], 2, "64 hexadecimal digits"),
      (["append", "feed://\(String(repeating: "ab", count: 32))/main", "{}"], 1, "abab"),
      (["read", "lab/main", "--from", "x"], 2, "--from"),
      (["read", "lab/main", "--from", "2", "--to", "1"], 2, "--to"),
      (["create", "a", "b"], 2, "more than one"), (["grant", uri, "x"], 2, "node ID"),
    ] as [([String], Int32, String)] {
      let result = try run("kachery", ["feed"] + arguments, in: folder.path, environment: daemon.environment)
      #expect(result.code == code && result.errors.contains(word), "\(arguments): \(result)")
      #expect(result.output.isEmpty)
    }
    let mixed = try feed("append", "lab/main", input: "{\"n\":0}\nnonsense\n{\"n\":2}\n")
    #expect(mixed.code == 2 && mixed.errors.contains("line 2") && mixed.errors.contains("A message was appended"))
    #expect(try feed("read", "lab/main", "--json").output == "{\"n\":0}\n")
  }

  @Test func numbersAreReadAsTheyWereWritten() throws {
    _ = try createFeed("lab")
    let message = #"{"a":[1.0,-0.0,1.50,1E3,0.12345678901234567890,9007199254740992]}"#
    try feed("append", "lab/main", message)
    #expect(try feed("read", "lab/main", "--json").output == message + "\n")
    #expect(try feed("read", "lab/main", "--signed").output.contains(#""message":\#(message)"#))
    let lines = try feed("append", "lab/main", input: "{\"n\":1}\n{\"n\":18446744073709551615}\n")
    #expect(lines.code == 2 && lines.errors.contains("line 2") && lines.errors.contains(" $.n "), "\(lines)")
    #expect(try feed("read", "lab/main", "--from", "1", "--json").output == "{\"n\":1}\n")
  }

  @Test(arguments: [
    ["kachery-p2p-print-messages"], ["kachery-p2p", "print-messages"], ["kachery", "feed", "tail", "-f", "--json"],
  ])
  func messagesArePrintedAsTheyCome(_ command: [String]) throws {
    let uri = try createFeed("lab")
    try feed("append", "lab/main", #"{"n":0}"#)
    let following = try Following(
      command[0], command.dropFirst() + ["\(uri)/main"], in: folder.path, environment: daemon.environment)
    defer { following.stop() }
    #expect(try following.line() == #"{"n":0}"#)
    try feed("append", "lab/main", #"{"n":1}"#)
    #expect(try following.line() == #"{"n":1}"#)
    // Following continues after the daemon was away for a while.
    #expect(daemon.stop() == 0)
    try daemon.start()
    try feed("append", "lab/main", #"{"n":2}"#)
    #expect(try following.line() == #"{"n":2}"#)
  }
}
