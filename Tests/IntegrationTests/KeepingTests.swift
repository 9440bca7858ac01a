import Foundation
import Primitives
import TestSupport
import Testing

/// The commands for maintaining a storage directory, with a daemon and without.
@Suite(.serialized, .timeLimit(.minutes(2))) struct KeepingTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func withBoth(_ body: ([String: String], String) throws -> Void) throws {
    let offline = folder.offline
    try body(offline, folder.path("offline"))
    let daemon = try RunningDaemon(in: folder.path("node"), ["--port", "0", "--host", "127.0.0.1", "--nomulticast"])
    try body(daemon.environment, daemon.storage)
    #expect(daemon.stop() == 0)
  }

  private func path(of hash: Substring, in storage: String) -> String {
    "\(storage)/sha1/\(hash.prefix(2))/\(hash.dropFirst(2).prefix(2))/\(hash.dropFirst(4).prefix(2))/\(hash)"
  }

  @Test func aStorageDirectoryIsKeptInOrder() throws {
    try withBoth { environment, storage in
      func call(_ arguments: String..., code: Int32 = 0) throws -> String {
        let result = try run("kachery", arguments, in: folder.path, environment: environment)
        #expect(result.code == code, "kachery \(arguments): \(result)")
        return result.output
      }
      try Data("one".utf8).write(to: URL(filePath: folder.path("one")))
      try Data("two two".utf8).write(to: URL(filePath: folder.path("two")))
      let uris = try call("store", "one", "two").split(separator: "\n").map(String.init)
      let linked = try call("link", "two").split(separator: "\n").map(String.init)
      try #require(uris.count == 2)
      // Its bytes are stored, so it needs no link.
      #expect(linked == [uris[1]])
      let hashes = uris.map { $0.dropFirst("sha1://".count).prefix(40) }

      let listing = try call("ls")
      #expect(listing.split(separator: "\n").count == 3)
      #expect(listing.hasPrefix("HASH                                          SIZE  LAST USE          FLAGS  NAME\n"))
      let published = try run("kachery-ls", [], in: folder.path, environment: environment).output
      #expect(published.split(separator: "\n").count == 2 && published.contains("  --\n"), "as it always was")
      #expect(listing.contains("\(hashes[0])       3 B  20"))
      #expect(try call("ls", uris[1]).contains(hashes[1]))
      _ = try call("ls", "sha1://\(String(repeating: "0", count: 40))", code: 3)
      #expect(try call("du").contains("stored      10 B in 2 files"))

      _ = try call("pin", uris[0])
      #expect(try call("ls", uris[0]).contains(/\s\sp-( {5}one)?\n$/))
      _ = try call("rm", uris[0], code: 1)
      _ = try call("unpin", uris[0])
      #expect(try call("rm", "--dry-run", uris[0]).contains("\(hashes[0])       3 B"))
      _ = try call("rm", uris[0])
      _ = try call("rm", uris[0], code: 3)
      #expect(try call("gc", "--dry-run", "--trash").contains("would free             3 B"))
      #expect(try call("gc").contains("in the trash        3 B in 1 file\n"))
      #expect(try call("du").contains("trash       3 B in 1 file\n"))
      #expect(try call("gc", "--trash").contains("freed on the disk   3 B"))

      #expect(try call("verify") == "Checked 1 file, 7 B: none damaged.\n")
      #expect(chmod(path(of: hashes[1], in: storage), 0o644) == 0)
      try Data("tvvo two".utf8).write(to: URL(filePath: path(of: hashes[1], in: storage)))
      let report = try call("verify", code: 1)
      #expect(report.contains("damaged     \(hashes[1])  set aside as "))
      _ = try call("load", uris[1], code: 3)
      #expect(try call("gc", "--damaged", "--json").contains(#""freed":8"#))
    }
  }

  /// A daemon enforces the limit itself when it starts; pinned files stay.
  @Test func aDaemonKeepsToTheLimit() throws {
    let storage = folder.path("node/storage")
    let environment = ["HOME": folder.path, "KACHERY_OFFLINE_STORAGE_DIR": storage, "PATH": "/usr/bin:/bin"]
    func call(_ arguments: String...) throws -> String {
      let result = try run("kachery", arguments, in: folder.path, environment: environment)
      #expect(result.code == 0, "kachery \(arguments): \(result)")
      return result.output.trimmingCharacters(in: .newlines)
    }
    let hashes = try (0..<4).map { number in
      try Data(PatternBytes.make(1_000_000, seed: number)).write(to: URL(filePath: folder.path("file")))
      let hash = try call("store", "file").dropFirst("sha1://".count).prefix(40)
      // The first one is the least recently used.
      var times = [timespec](repeating: timespec(tv_sec: 1_000_000 + 100_000 * number, tv_nsec: 0), count: 2)
      #expect(utimensat(AT_FDCWD, path(of: hash, in: storage), &times, 0) == 0)
      return hash
    }
    _ = try call("pin", String(hashes[0]))
    let limit = "maxCacheSizeGiB: \(2_500_000.0 / 1_073_741_824)\n"
    try Data(limit.utf8).write(to: URL(filePath: "\(storage)/kachery.yaml"))
    let daemon = try RunningDaemon(in: folder.path("node"), [])
    func isHere(_ number: Int) -> Bool {
      FileManager.default.fileExists(atPath: path(of: hashes[number], in: storage))
    }
    for _ in 0..<500 where isHere(2) || isHere(1) { usleep(10_000) }
    #expect((0..<4).map(isHere) == [true, false, false, true])
    #expect(daemon.stop() == 0)
  }

  @Test func aLinkedFileIsServedUntilItChanges() throws {
    try withBoth { environment, _ in
      func call(_ arguments: String..., code: Int32 = 0) throws -> String {
        let result = try run("kachery", arguments, in: folder.path, environment: environment)
        #expect(result.code == code, "kachery \(arguments): \(result)")
        return result.output
      }
      let target = folder.path("the target")
      try Data("linked".utf8).write(to: URL(filePath: target))
      let uri = try call("link", "the target").trimmingCharacters(in: .newlines)
      #expect(try call("load", uri) == "\(target)\n")
      #expect(try call("cat", uri) == "linked")
      #expect(try call("ls").contains(/\s\s-l {5}(the target {2})?→ .*the target\n/))
      try Data("changed".utf8).write(to: URL(filePath: target))
      _ = try call("load", uri, code: 3)
      #expect(try call("ls").contains(/\s\s-! {5}(the target {2})?→ .*the target\n/))
      #expect(try call("verify").contains("link broken"))
      _ = try call("link", "no such file", code: 3)
      _ = try call("link", folder.path, code: 2)
    }
  }
}
