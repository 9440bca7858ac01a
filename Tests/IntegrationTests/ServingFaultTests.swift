import APIModel
import Foundation
import Glibc
import Primitives
import TestSupport
import Testing

/// A node that cannot read its own files when other nodes request them. It refuses with a reason, and continues.
@Suite(.serialized, .timeLimit(.minutes(2))) struct ServingFaultTests {
  private let folder: TemporaryFolder
  private let holder: RunningDaemon
  private let asker: RunningDaemon

  init() throws {
    folder = try TemporaryFolder()
    holder = try RunningDaemon(
      in: folder.path("holder"), ["--isbootstrap", "--channel", "lab", "--port", "0", "--limit-up", "8"])
    asker = try RunningDaemon(
      in: folder.path("asker"), ["--bootstrap", "127.0.0.1:\(holder.linkPort)", "--channel", "lab"])
    try asker.waitForLinks(1)
  }

  private func place(of hash: ContentHash) -> String { "\(holder.storage)/sha1/" + ContentStorePath.relative(hash) }

  /// Loads the file, which must fail; returns the message for the user.
  private func failToLoad(_ key: FileKey, sourceLocation: SourceLocation = #_sourceLocation) -> String {
    do {
      _ = try asker.load(key)
      Issue.record("It was loaded.", sourceLocation: sourceLocation)
      return ""
    } catch {
      return "\(error)"
    }
  }

  private func expectToServe(sourceLocation: SourceLocation = #_sourceLocation) throws {
    #expect(holder.isRunning, sourceLocation: sourceLocation)
    let path = try folder.file("other", bytes: Int.random(in: 1_000...100_000))
    #expect(
      FileManager.default.contentsEqual(atPath: path, andPath: try asker.load(FileKey(hash: holder.store(path).hash))),
      sourceLocation: sourceLocation)
  }

  private func limitDescriptors(to count: String) throws {
    let (code, _, errors) = try runProgram(
      "/usr/bin/prlimit", ["--pid", String(holder.processIdentifier), "--nofile=\(count):"], in: folder.path,
      environment: [:])
    #expect(code == 0, "\(errors)")
  }

  @Test func whatIsInAFilesPlaceIsRefused() throws {
    for (number, obstacle) in [
      { mkdir($0, 0o755) }, { mkfifo($0, 0o644) }, { symlink("/nowhere", $0) }, { symlink($0, $0) },
    ].enumerated() as EnumeratedSequence<[(String) -> Int32]> {
      let hash = try holder.store(try folder.file("file", bytes: 50_000 + number)).hash
      try FileManager.default.removeItem(atPath: place(of: hash))
      #expect(obstacle(place(of: hash)) == 0)
      #expect(!failToLoad(FileKey(hash: hash)).isEmpty)
      try expectToServe()
    }
  }

  /// The disk is fine, but the process may open no more files.
  @Test func aNodeWithoutDescriptorsRefusesAndRecovers() throws {
    let hash = try holder.store(try folder.file("file", bytes: 50_000)).hash
    try limitDescriptors(to: "3")
    #expect(!failToLoad(FileKey(hash: hash)).isEmpty)
    #expect(holder.isRunning)
    try limitDescriptors(to: "1024")
    _ = try asker.load(FileKey(hash: hash))
    try expectToServe()
  }

  /// The reason reaches the user, and no refusal is mixed with the file's bytes.
  @Test func aFileThatIsEditedWhileItIsLoadedIsNamed() throws {
    let path = try folder.file("linked", bytes: 19_000_000)
    let attributes = try FileManager.default.attributesOfItem(atPath: path)
    let modified = try #require(attributes[.modificationDate] as? Date).timeIntervalSince1970
    let linked = try StoreReply(
      json: try holder.post(
        "/linkFile", ["localFilePath": .string(path), "size": 19_000_000, "mtime": .double(modified)]))
    var isEdited = false
    var message = ""
    do {
      _ = try asker.load(FileKey(hash: linked.hash)) { loaded in
        guard loaded > 0, !isEdited else { return }
        isEdited = true
        let handle = FileHandle(forWritingAtPath: path)
        handle?.seekToEndOfFile()
        handle?.write(Data("more".utf8))
        try? handle?.close()
      }
    } catch { message = "\(error)" }
    #expect(isEdited && message.contains("changed"), "\(message)")
    try expectToServe()
  }
}
