import Foundation
import Primitives
import TestSupport
import Testing

/// Folders and multiple files on the command line, on one node and between two.
@Suite(.serialized, .timeLimit(.minutes(2))) struct FolderCommandTests {
  private let folder: TemporaryFolder

  private var offline: [String: String] { folder.offline }

  init() throws { folder = try TemporaryFolder() }

  private func write(_ path: String, _ text: String) throws {
    let url = URL(filePath: folder.path(path))
    try FileManager.default.createDirectory(at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
    try Data(text.utf8).write(to: url)
  }

  private func tree(_ path: String) throws -> [String: String] {
    var tree: [String: String] = [:]
    let base = folder.path(path)
    for case let name as String in try #require(FileManager.default.enumerator(atPath: base)) {
      var isFolder: ObjCBool = false
      _ = FileManager.default.fileExists(atPath: "\(base)/\(name)", isDirectory: &isFolder)
      tree[name] = isFolder.boolValue ? "folder" : try String(contentsOfFile: "\(base)/\(name)", encoding: .utf8)
    }
    return tree
  }

  private func makeTree() throws {
    try write("session 7/a.txt", "a")
    try write("session 7/größe/новый файл", "b\n")
    try write("session 7/größe/line\nbreak", "c")
    try FileManager.default.createDirectory(atPath: folder.path("session 7/empty"), withIntermediateDirectories: true)
  }

  @Test func aLoadedFolderIsIdentical() throws {
    try makeTree()
    let uri = try folder.call("kachery-store", ["session 7"], in: offline).output.trimmingCharacters(in: .newlines)
    #expect(uri.hasPrefix("sha1dir://"))
    #expect(uri.hasSuffix(".session%207"))
    #expect(try folder.call("kachery-load-dir", [uri, "--dest", "copy"], in: offline).output == "copy\n")
    #expect(try tree("copy") == tree("session 7"))
    #expect(try folder.call("kachery-cat", ["\(uri)/größe/новый файл"], in: offline).output == "b\n")
    _ = try folder.call("kachery-load", ["\(uri)/größe"], in: offline, code: 2)
    _ = try folder.call("kachery-load", ["\(uri)/nothing"], in: offline, code: 3)
    _ = try folder.call("kachery-load-dir", ["\(uri)/a.txt", "--dest", "other"], in: offline, code: 2)
    _ = try folder.call("kachery-load-dir", [uri], in: offline, code: 2)
    #expect(!FileManager.default.fileExists(atPath: folder.path("other")))
  }

  @Test func aFolderThatLeadsBackToItselfIsRefused() throws {
    try write("loop/a", "a")
    try FileManager.default.createSymbolicLink(atPath: folder.path("loop/again"), withDestinationPath: ".")
    #expect(try folder.call("kachery-store", ["loop"], in: offline, code: 1).errors.contains("folders deep"))
  }

  @Test func severalFilesAreStoredAndLoadedInOneGo() throws {
    for name in ["one", "two", "three"] { try write(name, name) }
    let stored = try folder.call("kachery-store", ["one", "no such file", "two", "three"], in: offline, code: 3)
    #expect(stored.errors.contains("no such file"))
    let uris = stored.output.split(separator: "\n").map(String.init)
    try #require(uris.count == 3)
    let missing = "sha1://" + String(repeating: "0", count: 40)
    let loaded = try folder.call("kachery-load", [uris[2], missing, uris[0]], in: offline, code: 3)
    let texts = try loaded.output.split(separator: "\n").map { try String(contentsOfFile: String($0), encoding: .utf8) }
    #expect(texts == ["three", "one"])
    _ = try folder.call("kachery-load", uris + ["--dest", "x"], in: offline, code: 2)
  }

  /// A folder is stored with everything in it, or not at all.
  @Test func whatCannotBeStoredIsNotLeftOut() throws {
    try write("odd/file", "x")
    try FileManager.default.createSymbolicLink(atPath: folder.path("odd/link"), withDestinationPath: "nowhere")
    let dangling = try folder.call("kachery-store", ["odd"], in: offline, code: 1)
    #expect(dangling.errors.contains("'odd/link' is a broken link"))
    try FileManager.default.removeItem(atPath: folder.path("odd/link"))
    let script = "name=$(printf 'bad\\377name'); echo x > odd/$name; exec \"$0\" store \"$@\" $more"
    let program = RunningDaemon.programs.appending(path: "kachery").path
    let named = try runProgram("/bin/sh", ["-c", script, program, "odd"], in: folder.path, environment: offline)
    #expect(named.code == 1)
    #expect(named.errors.contains("is not UTF-8, so it cannot be stored"))
    #expect(named.output.isEmpty)
    let argument = try runProgram(
      "/bin/sh", ["-c", script.replacing("$more", with: "odd/$name"), program], in: folder.path, environment: offline)
    #expect(argument.code == 2)
    #expect(argument.errors.contains("is not UTF-8"))
  }

  @Test func aLinkWithAChangedTargetIsReportedAsSuch() throws {
    try write("linked", "before")
    let uri = try folder.call("kachery-link", ["linked"], in: offline).output.trimmingCharacters(in: .newlines)
    try write("linked", "after it was linked")
    for arguments in [[uri], [uri, uri]] {
      #expect(
        try folder.call("kachery-load", arguments, in: offline, code: 3).errors.contains("is here only as a link"))
    }
    try FileManager.default.removeItem(atPath: folder.path("linked"))
    #expect(try folder.call("kachery-load", [uri], in: offline, code: 3).errors.contains("changed or removed"))
    #expect(try folder.call("kachery-ls", [], in: offline).output.contains("  -                 -!  "))
  }

  /// Small files are stored concurrently, large ones one at a time; the output follows the order of the names.
  @Test func manyFilesKeepTheirOrder() throws {
    let daemon = try RunningDaemon(in: folder.path("node"), [])
    var names = (0..<150).map { "file \($0)" }
    for name in names { try write(name, "this is \(name)") }
    try Data(PatternBytes.make(2_000_000)).write(to: URL(filePath: folder.path("large")))
    names.insert("large", at: 70)
    for environment in [offline, daemon.environment] {
      let stored = try folder.call("kachery-store", names + ["no such file"], in: environment, code: 3)
      let uris = stored.output.split(separator: "\n").map(String.init)
      #expect(uris.map { String($0.split(separator: "/").last ?? "") } == names.map { $0.replacing(" ", with: "%20") })
      let loaded = try folder.call("kachery-load", uris, in: environment).output.split(separator: "\n").map(String.init)
      try #require(loaded.count == names.count)
      for (name, path) in zip(names, loaded) {
        #expect(FileManager.default.contentsEqual(atPath: path, andPath: folder.path(name)), "\(name)")
      }
    }
    #expect(daemon.stop() == 0)
  }

  /// The document, its files, a missing one among them, and one that the node already has.
  @Test func aFolderTravelsBetweenNodes() throws {
    let meeting = try RunningDaemon(
      in: folder.path("meeting"), ["--isbootstrap", "--port", "0", "--host", "127.0.0.1", "--nomulticast"])
    let bootstrap = ["--bootstrap", "127.0.0.1:\(meeting.linkPort)", "--channel", "folders-8c1f", "--nomulticast"]
    let one = try RunningDaemon(in: folder.path("one"), bootstrap)
    let two = try RunningDaemon(in: folder.path("two"), bootstrap)
    try makeTree()
    for number in 0..<300 { try write("session 7/many/\(number)", "number \(number)") }
    let uri = try folder.call("kachery-store", ["session 7"], in: one.environment).output.trimmingCharacters(
      in: .newlines)
    try write("here", "number 7")
    _ = try folder.call("kachery-store", ["here"], in: two.environment)
    _ = try folder.call("kachery-load-dir", [uri, "--dest", "arrived"], in: two.environment)
    #expect(try tree("arrived") == tree("session 7"))
    let missing = "sha1://" + String(repeating: "0", count: 40)
    let some = try folder.call("kachery-load", ["\(uri)/a.txt", missing], in: two.environment, code: 3)
    #expect(try String(contentsOfFile: some.output.trimmingCharacters(in: .newlines), encoding: .utf8) == "a")
  }
}
