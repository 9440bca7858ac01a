import APIModel
import Crypto
import Foundation
import HTTP
import Primitives
import TestSupport
import Testing

/// Stored and linked files that are altered behind the daemon's back, as seen by the commands' users.
@Suite(.serialized, .timeLimit(.minutes(2))) struct AlteredFileTests {
  private let folder: TemporaryFolder

  init() throws {
    folder = try TemporaryFolder()
  }

  private func daemon() throws -> RunningDaemon {
    try RunningDaemon(in: folder.path("node"), ["--port", "0", "--host", "127.0.0.1", "--nomulticast"])
  }

  private var offline: [String: String] {
    folder.offline
  }

  @discardableResult
  private func call(
    _ arguments: String..., code: Int32 = 0, with environment: [String: String]
  ) throws -> (output: String, errors: String) {
    let result = try run("kachery", arguments, in: folder.path, environment: environment)
    #expect(result.code == code, "kachery \(arguments): \(result)")
    return (result.output.trimmingCharacters(in: .newlines), result.errors)
  }

  @discardableResult
  private func write(_ name: String, _ bytes: [UInt8]) throws -> String {
    try Data(bytes).write(to: URL(filePath: folder.path(name)))
    return folder.path(name)
  }

  private func stored(_ bytes: [UInt8], in storage: String) -> String {
    "\(storage)/sha1/\(ContentStorePath.relative(.of(bytes)))"
  }

  /// Changes a byte, as root or the owner can after a `chmod`, and restores the modification and access times. Only the
  /// change time differs afterwards.
  private func alter(_ path: String) throws {
    var before = stat()
    #expect(stat(path, &before) == 0)
    var after = before
    repeat {
      usleep(1_000)
      #expect(chmod(path, 0o644) == 0)
      let handle = try FileHandle(forUpdating: URL(filePath: path))
      try handle.seek(toOffset: 1)
      try handle.write(contentsOf: Data([0xff]))
      try handle.close()
      var times = [before.st_atim, before.st_mtim]
      #expect(utimensat(AT_FDCWD, path, &times, 0) == 0)
      #expect(stat(path, &after) == 0)
    } while after.st_ctim.tv_nsec == before.st_ctim.tv_nsec && after.st_ctim.tv_sec == before.st_ctim.tv_sec
  }

  // MARK: With a daemon

  /// In each way of getting bytes or a path; the next attempt reports that the file is not here.
  @Test(arguments: [
    ["load"], ["cat"], ["cat", "--start", "0", "--end", "5"], ["load", "--dest", "copy"], ["load", "sha1://\(other)"],
  ])
  func anAlteredFileIsNotServed(command: [String]) throws {
    let daemon = try daemon()
    let bytes = PatternBytes.make(100_000)
    let uri = try call("store", write("source", bytes), with: daemon.environment).output
    try alter(stored(bytes, in: daemon.storage))
    let arguments = [command[0], uri] + command.dropFirst()
    let result = try run("kachery", arguments, in: folder.path, environment: daemon.environment)
    #expect(result.code == 1 && result.output == "", "\(result)")
    #expect(result.errors.contains("altered since it was stored"), "\(result.errors)")
    #expect(!FileManager.default.fileExists(atPath: folder.path("copy")))
    #expect(FileManager.default.fileExists(atPath: "\(daemon.storage)/kachery-node/damaged/\(ContentHash.of(bytes))"))
    try call("load", uri, code: 3, with: daemon.environment)
    // A whole copy replaces it.
    #expect(try call("store", folder.path("source"), with: daemon.environment).output == uri)
    #expect(try Data(contentsOf: URL(filePath: call("load", uri, with: daemon.environment).output)) == Data(bytes))
    #expect(daemon.stop() == 0)
  }

  private static let other = String(repeating: "0", count: 40)

  @Test func theAPIGivesNoAlteredFile() throws {
    let daemon = try daemon()
    for (number, path) in ["/downloadFileData", "/v1/read"].enumerated() {
      let bytes = PatternBytes.make(3_000_000, seed: number)
      let key = FileKey(hash: try daemon.store(write("source", bytes)).hash)
      try alter(stored(bytes, in: daemon.storage))
      let body: JSONValue = path == "/v1/read" ? ReadRequest(key: key, start: 0, end: 5).json : ["fileKey": key.json]
      let (status, answer) = try HTTPClient.fetch(daemon.request(path, body), limit: 8 << 20)
      let text = String(decoding: answer, as: UTF8.self)
      #expect(status != 200 && text.contains("altered since it was stored"), "\(path): \(status) \(text.prefix(300))")
    }
    #expect(daemon.stop() == 0)
  }

  @Test func whatIsAlteredWhileTheDaemonIsDownIsFoundOut() throws {
    let daemon = try daemon()
    let files = [PatternBytes.make(1_000), PatternBytes.make(3_000_000)]
    let uris = try files.map { try call("store", write("source", $0), with: daemon.environment).output }
    #expect(daemon.stop() == 0)
    for bytes in files { try alter(stored(bytes, in: daemon.storage)) }
    try daemon.start()
    for uri in uris { try call("cat", uri, code: 1, with: daemon.environment) }
    #expect(daemon.stop() == 0)
  }

  // MARK: Without one

  /// The second size is above the limit for hashing a file before its path is returned.
  @Test(arguments: [1_000, 21_000_000])
  func anAlteredFileIsFoundOutWithoutADaemon(size: Int) throws {
    let bytes = PatternBytes.make(size)
    let uri = try call("store", write("source", bytes), with: offline).output
    let path = stored(bytes, in: folder.path("offline"))
    try alter(path)
    if size < 20_000_000 {
      try call("load", uri, code: 1, with: offline)
      #expect(try call("store", folder.path("source"), with: offline).output == uri)
      try alter(path)
      try call("cat", uri, code: 1, with: offline)
    } else {
      let copied = try call("load", uri, "--dest", folder.path("copy"), code: 1, with: offline)
      #expect(copied.errors.contains("was altered"), "\(copied.errors)")
      #expect(!FileManager.default.fileExists(atPath: folder.path("copy")))
      // Most of it has been written by then.
      let shown = try shell("sh", ["-c", "./kachery cat '\(uri)' >shown"], offline)
      #expect(shown.code == 1 && shown.errors.contains("was altered"), "\(shown)")
      try call("verify", code: 1, with: offline)
    }
    try call("load", uri, code: 3, with: offline)
  }

  private func shell(
    _ program: String, _ arguments: [String], _ environment: [String: String]
  ) throws -> (code: Int32, output: String, errors: String) {
    try runProgram("/bin/\(program)", arguments, in: folder.path, environment: environment)
  }

  // MARK: Links

  private func withBoth(_ body: ([String: String]) throws -> Void) throws {
    try body(offline)
    let daemon = try daemon()
    try body(daemon.environment)
    #expect(daemon.stop() == 0)
  }

  @Test func aLinkedFileThatOnlyLooksTheSameIsRefused() throws {
    try withBoth { environment in
      let uri = try call("link", write("target", PatternBytes.make(1_000)), with: environment).output
      #expect(try call("load", uri, with: environment).output == folder.path("target"))
      try alter(folder.path("target"))
      let refused = try call("load", uri, code: 1, with: environment)
      #expect(refused.errors.contains("changed since it was linked"), "\(refused.errors)")
      try call("cat", uri, code: 3, with: environment)
    }
  }

  @Test func theOtherPlaceOfALinkedFileServes() throws {
    try withBoth { environment in
      let uri = try call("link", write("first", Array("the same".utf8)), with: environment).output
      #expect(
        try call("link", write("second", Array("the same".utf8)), with: environment).output.hasPrefix(uri.prefix(47)))
      try FileManager.default.removeItem(atPath: folder.path("second"))
      #expect(try call("cat", uri, with: environment).output == "the same")
      #expect(try call("ls", with: environment).output.contains(folder.path("first")))
      #expect(try call("verify", with: environment).output.contains("none damaged"))
      try call("rm", uri, with: environment)
      try call("cat", uri, code: 3, with: environment)
      #expect(try Data(contentsOf: URL(filePath: folder.path("first"))) == Data("the same".utf8))
    }
  }

  /// By its own path, by a symbolic link and by a hard link.
  @Test func loadingALinkedFileToWhereItIsLeavesItAlone() throws {
    try withBoth { environment in
      try? FileManager.default.removeItem(atPath: folder.path("data"))
      try FileManager.default.createDirectory(atPath: folder.path("data"), withIntermediateDirectories: true)
      let target = try write("data/target", Array("linked".utf8))
      let uri = try call("link", target, with: environment).output
      #expect(symlink(target, folder.path("data/soft")) == 0 && link(target, folder.path("data/hard")) == 0)
      let before = try FileManager.default.attributesOfItem(atPath: target)
      for name in ["target", "soft", "hard"] {
        let dest = folder.path("data/\(name)")
        #expect(try call("load", uri, "--dest", dest, with: environment).output == dest)
        #expect(try call("load", uri, with: environment).output == target)
      }
      let after = try FileManager.default.attributesOfItem(atPath: target)
      #expect(after[.systemFileNumber] as? Int == before[.systemFileNumber] as? Int)
      #expect(after[.modificationDate] as? Date == before[.modificationDate] as? Date)
    }
  }

  @Test func loadingALinkedFolderToWhereItIsLeavesItAlone() throws {
    try withBoth { environment in
      try? FileManager.default.removeItem(atPath: folder.path("session"))
      try FileManager.default.createDirectory(atPath: folder.path("session"), withIntermediateDirectories: true)
      let target = try write("session/a.txt", Array("linked".utf8))
      let uri = try call("link", target, with: environment).output
      // A folder's document that contains the same file.
      let document = #"{"files":{"a.txt":{"size":6,"sha1":"\#(ContentHash.of(Array("linked".utf8)))"}},"dirs":{}}"#
      let stored = try call("store", write("document", Array(document.utf8)), with: environment).output
      let folderURI = "sha1dir://\(stored.dropFirst("sha1://".count).prefix(40))"
      try call("load-dir", folderURI, "--dest", folder.path("session"), with: environment)
      #expect(try call("load", uri, with: environment).output == target)
    }
  }

  // MARK: Copies

  /// A stored file is read-only; a copy belongs to the user.
  @Test func aCopyCanBeWritten() throws {
    try withBoth { environment in
      let bytes = Array("some text".utf8)
      let uri = try call("store", write("source", bytes), with: environment).output
      let path = try call("load", uri, with: environment).output
      #expect(try permissions(path) == 0o444)
      let copy = folder.path("copy")
      try? FileManager.default.removeItem(atPath: copy)
      try call("load", uri, "--dest", copy, with: environment)
      #expect(try permissions(copy) == 0o644)
      // A hard link to the stored file is replaced by a separate file.
      try FileManager.default.removeItem(atPath: copy)
      #expect(link(path, copy) == 0)
      try call("load", uri, "--dest", copy, with: environment)
      #expect(chmod(copy, 0o644) == 0)
      try write("copy", Array("other".utf8))
      #expect(try Data(contentsOf: URL(filePath: path)) == Data(bytes))
      // The stored file itself is unchanged.
      try call("load", uri, "--dest", path, with: environment)
      #expect(try permissions(path) == 0o444)
      let document = #"{"files":{"a.txt":{"size":9,"sha1":"\#(ContentHash.of(bytes))"}},"dirs":{}}"#
      let stored = try call("store", write("document", Array(document.utf8)), with: environment).output
      let folderURI = "sha1dir://\(stored.dropFirst("sha1://".count).prefix(40))"
      try? FileManager.default.removeItem(atPath: folder.path("copies"))
      try call("load-dir", folderURI, "--dest", folder.path("copies"), with: environment)
      #expect(try permissions(folder.path("copies/a.txt")) == 0o644)
    }
  }

  private func permissions(_ path: String) throws -> Int? {
    try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
  }
}
