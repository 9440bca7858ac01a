import Crypto
import Files
import Primitives
import TestSupport
import Testing

/// Names that only look alike, and names with combining marks that hide a separator, on the command line. The tests of
/// the Python clients replay the same vectors (`Python/tests/test_names.py`).
@Suite(.serialized, .timeLimit(.minutes(2))) struct NameCommandTests {
  private let folder: TemporaryFolder

  private var offline: [String: String] { folder.offline }

  init() throws { folder = try TemporaryFolder() }

  /// A command's output without the final newline: a name may end with a newline as well.
  private func line(_ name: String, _ arguments: [String], in environment: [String: String]) throws -> ByteString {
    let output = try folder.call(name, arguments, in: environment).output
    return ByteString(try #require(output.removing(suffix: "\n")))
  }

  /// Creates the folder of a vector and returns its path.
  private func make(_ vector: JSONValue, in place: String) throws -> String {
    let name = "\(place)/\(try vector.text("name"))"
    try FileSystem.createFolder(folder.path(name), permissions: 0o755)
    for member in try #require(vector["files"]?.object).members {
      let path = "\(name)/\(member.name)"
      try FileSystem.createFolder(FileSystem.parent(of: folder.path(path)), permissions: 0o755)
      try folder.write(path, try #require(member.value.string))
    }
    for empty in try #require(vector["folders"]?.array) {
      try FileSystem.createFolder(folder.path("\(name)/\(try #require(empty.string))"), permissions: 0o755)
    }
    return name
  }

  private func check(_ environment: [String: String]) throws {
    let vectors = try #require(try Vectors.json("folders.json").array)
    #expect(vectors.count >= 10)
    for (number, vector) in vectors.enumerated() {
      let path = try make(vector, in: "\(number)")
      let uri = try vector.text("uri")
      #expect(try line("kachery-store", [path], in: environment) == uri)
      #expect(try line("kachery-store", ["\(path)/"], in: environment) == uri)
      let document = "sha1://\(try FolderURI(parsing: uri.text).hash)"
      #expect(try ByteString(folder.call("kachery-cat", [document], in: environment).output) == vector.text("document"))
      try folder.call("kachery-load-dir", [uri.text, "--dest", "copy \(number)"], in: environment)
      for member in try #require(vector["files"]?.object).members {
        let text = try #require(member.value.string)
        let copy = try FileSystem.read(folder.path("copy \(number)/\(member.name)"), limit: 1 << 20)
        #expect(copy == Array(text.utf8))
        let file = try line("kachery-store", ["\(path)/\(member.name)"], in: environment)
        let label = URILabel.escape(String(member.name.text.lastPathName))
        #expect(file == "sha1://\(ContentHash.of(Array(text.utf8)))/\(label)")
        let encoded = PercentEncoding.encode(member.name.text)
        for name in [member.name.text, encoded] {
          let inside = try folder.call("kachery-cat", ["\(uri)/\(name)"], in: environment).output
          #expect(ByteString(inside) == ByteString(text))
        }
      }
      let again = try line(
        "kachery-store", ["copy \(number)", "--label", try vector.text("name").text], in: environment)
      #expect(again == uri)
    }
  }

  @Test func foldersHaveTheSameURIEverywhere() throws {
    try check(offline)
  }

  @Test func foldersHaveTheSameURIThroughADaemon() throws {
    let daemon = try RunningDaemon(in: folder.path("node"), [])
    try check(daemon.environment)
    #expect(daemon.stop() == 0)
  }

  /// A name spelled in two ways names two channels, two feeds, and two files to write.
  @Test func whatOnlyLooksAlikeIsTwo() throws {
    let daemon = try RunningDaemon(in: folder.path("node"), [])
    let names = ["M\u{fc}ller", "Mu\u{308}ller"]
    for name in names {
      #expect(try folder.call("kachery-p2p-join-channel", [name], in: daemon.environment).output == "Joined channel\n")
      try folder.call("kachery", ["feed", "create", name], in: daemon.environment)
      try folder.call("kachery", ["feed", "append", "\(name)/main", "{\"of\": \"\(name)\"}"], in: daemon.environment)
    }
    #expect(try listed(daemon) == names.map { ByteString($0) })
    for name in names {
      let read = try folder.call("kachery", ["feed", "read", "\(name)/main", "--json"], in: daemon.environment).output
      #expect(ByteString(read) == ByteString("{\"of\":\"\(name)\"}\n"))
    }
    try folder.call("kachery-p2p-leave-channel", [names[1]], in: daemon.environment)
    #expect(try listed(daemon) == [ByteString(names[0])])
    let gone = try folder.call("kachery-p2p-leave-channel", [names[1]], in: daemon.environment, code: 3)
    #expect(gone.errors.contains("has not joined the channel"))
    let missing = "sha1://" + String(repeating: "0", count: 40)
    let other = try folder.call("kachery-load", [missing, "--channel", names[1]], in: daemon.environment, code: 3)
    #expect(other.errors.contains("has not joined the channel"))
    #expect(daemon.stop() == 0)
  }

  /// What looks alike is shown with its bytes, by which it can also be left.
  @Test func channelsThatLookAlikeAreClearlyTwo() throws {
    let daemon = try RunningDaemon(in: folder.path("node"), [])
    for name in ["lab 7", "M\u{fc}ller", "Mu\u{308}ller"] {
      try folder.call("kachery", ["channel", "join", name], in: daemon.environment)
    }
    let lines = try folder.call("kachery", ["channel", "list"], in: daemon.environment).output
    let decomposed = "Mu\u{308}ller  [Mu%CC%88ller]"
    let rows = lines.split(separator: "\n").dropFirst().map { ByteString($0) }
    #expect(rows.count == 3)
    for (row, name) in zip(rows, ["lab 7", "M\u{fc}ller  [M%C3%BCller]", decomposed]) {
      #expect(row.text.begins(with: "\(name) "), "\(row)")
    }
    let published = try folder.call("kachery-p2p-get-channels", [], in: daemon.environment).output
    #expect(ByteString(published) == "lab 7 \nM\u{fc}ller \nMu\u{308}ller \n")
    try folder.call("kachery", ["channel", "leave", "Mu%CC%88ller"], in: daemon.environment)
    #expect(try listed(daemon) == ["lab 7", "M\u{fc}ller"])
    #expect(daemon.stop() == 0)
  }

  @Test(arguments: [
    "", " ", "lab ", "\u{a0}lab", "a\nb", "a\u{202e}b", "http://", "https:///x", "http:/x", "ftp://a/b", "HTTP://a/b",
    "https://exa mple.org/", "file://", "file://a/b",
  ])
  func whatIsNoChannelIsRefusedAtOnce(name: String) throws {
    let refused = try folder.call("kachery", ["channel", "join", name], in: offline, code: 2)
    #expect(refused.errors.contains("channel"))
  }

  @Test func aFeedIsFoundByANameWithSlashes() throws {
    let daemon = try RunningDaemon(in: folder.path("node"), [])
    let environment = daemon.environment
    try folder.call("kachery", ["feed", "create", "lab/notes"], in: environment)
    try folder.call("kachery", ["feed", "append", "lab/notes/a/b", "{\"n\": 1}"], in: environment)
    for named in [["lab/notes/a/b"], ["lab/notes", "--subfeed", "a/b"]] {
      let read = try folder.call("kachery", ["feed", "read", "--json"] + named, in: environment).output
      #expect(read == "{\"n\":1}\n")
    }
    let noSubfeed = [["read", "lab/notes/"], ["read", "lab/notes", "--subfeed", ""]]
    for wrong in [["create", ""], ["create", "a://b"]] + noSubfeed {
      let refused = try folder.call("kachery", ["feed"] + wrong, in: environment, code: 2)
      #expect(refused.errors.contains("name"))
    }
    let missing = "sha1://" + String(repeating: "0", count: 40)
    let empty = try folder.call("kachery-load", [missing, "--channel", ""], in: environment, code: 2)
    #expect(empty.errors.contains("The channel's name is empty"))
    #expect(daemon.stop() == 0)
  }

  private func listed(_ daemon: RunningDaemon) throws -> [ByteString] {
    let lines = try folder.call("kachery", ["channel", "list", "--json"], in: daemon.environment).output
    return try #require(try JSONParser.parse(lines).array).map { try $0.text("channelConfigUrl") }
  }
}
