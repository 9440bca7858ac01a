import Foundation
import Primitives
import TestSupport
import Testing

/// Folders on the command line that list, pin, check and remove, and the names of files.
@Suite(.serialized, .timeLimit(.minutes(2))) struct FolderKeepingTests {
  private let folder: TemporaryFolder

  init() throws {
    folder = try TemporaryFolder()
    for (name, text) in [("data/a.txt", "a"), ("data/sub/b.txt", "bb"), ("data/x.tmp", "no"), ("other/c.txt", "bb")] {
      let url = URL(filePath: folder.path(name))
      try FileManager.default.createDirectory(at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
      try Data(text.utf8).write(to: url)
    }
  }

  private func withBoth(_ body: ([String: String]) throws -> Void) throws {
    try body(folder.offline)
    let daemon = try RunningDaemon(in: folder.path("node"), ["--port", "0", "--host", "127.0.0.1"])
    try body(daemon.environment)
    #expect(daemon.stop() == 0)
  }

  @Test func aFolderIsKeptAndRemovedAsAWhole() throws {
    try withBoth { environment in
      func call(_ arguments: String..., code: Int32 = 0) throws -> (output: String, errors: String) {
        let result = try folder.call("kachery", arguments, in: environment, code: code)
        return (result.output.trimmingCharacters(in: .newlines), result.errors)
      }
      let uri = try call("store", "data", "--exclude", "*.tmp").output
      #expect(try call("ls", uri).output == "sub/\na.txt")
      let other = try call("store", "other").output
      #expect(try call("verify", uri).output.hasPrefix("Checked 3 files"))
      #expect(try call("pin", uri).errors.contains("Pinned 3 files"))
      #expect(try call("pin", other).errors.contains("Pinned 1 file; the folder and its files are 2."))
      #expect(try call("rm", uri, code: 1).errors.contains("3 files of the folder are pinned."))
      #expect(try call("unpin", uri).errors.contains("Unpinned 2 files; 1 file of other pinned folders stays pinned."))

      let preview = try call("rm", "--dry-run", uri, code: 1)
      #expect(preview.output.split(separator: "\n").count == 2)
      #expect(preview.errors.contains("Would move 2 files"))
      let part = try call("rm", "\(uri)/sub", code: 1)
      #expect(part.errors.contains("1 file of the folder is pinned."))
      #expect(try call("rm", uri, code: 1).errors.contains("Moved 2 files"))
      #expect(try call("cat", "\(other)/c.txt").output == "bb")
      #expect(try call("rm", uri, code: 3).errors.contains("The document of the folder"))
      _ = try call("unpin", other)
      #expect(try call("rm", other, "--json").output.contains(#""refused":[]"#))
      // A document that would lead out of the folder is refused.
      let hostile = try folder.call(
        "kachery", ["store", "-"], in: environment, code: 0
      ).output
      #expect(hostile.hasPrefix("sha1://"))
      let hash = String(hostile.dropFirst("sha1://".count).prefix(40))
      #expect(try call("rm", "sha1dir://\(hash)", code: 1).errors.contains("is not JSON"))
      _ = try call("rm", hash)
      _ = try call("gc", "--trash")
      #expect(try call("ls").output.isEmpty)
    }
  }

  /// A daemon lists what was stored and loaded under its names; commands without a daemon know none.
  @Test func filesAreListedUnderTheirNames() throws {
    let source = try RunningDaemon(in: folder.path("source"), ["--isbootstrap", "--port", "0", "--channel", "names"])
    let node = try RunningDaemon(
      in: folder.path("node"), ["--bootstrap", "127.0.0.1:\(source.linkPort)", "--channel", "names"])
    try node.waitForLinks(1)
    func call(_ arguments: [String], on daemon: RunningDaemon) throws -> String {
      try folder.call("kachery", arguments, in: daemon.environment).output.trimmingCharacters(in: .newlines)
    }
    let dir = try call(["store", "data"], on: source)
    let file = try call(["store", "data/a.txt", "--label", "größe 1"], on: source)
    let listed = try call(["ls"], on: source)
    for name in ["größe 1", "data/sub/b.txt", "data/x.tmp", "data/"] {
      #expect(listed.contains("  --     \(name)\n") || listed.hasSuffix("  --     \(name)"), "\(name): \(listed)")
    }
    _ = try call(["load-dir", dir, "--dest", "copy"], on: node)
    #expect(try call(["ls"], on: node).contains("  --     data/sub/b.txt"))
    _ = try call(["load", file], on: node)
    let names = try call(["ls", "--json", file], on: node)
    #expect(names.contains(#"e 1","data/a.txt"]"#), "\(names)")
    #expect(
      try folder.call("kachery-ls", [], in: node.environment).output.split(separator: "\n").allSatisfy {
        $0.hasSuffix("  --")
      })
    #expect(node.stop() == 0)
    let offline = ["HOME": folder.path, "KACHERY_OFFLINE_STORAGE_DIR": node.storage, "PATH": "/usr/bin:/bin"]
    #expect(try folder.call("kachery", ["ls"], in: offline).output.contains("  --\n"))
  }
}
