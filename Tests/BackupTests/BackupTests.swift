import Crypto
import Database
import FeedStore
import Files
import Primitives
import TestSupport
import Testing

@testable import Backup

/// A backup of a storage directory, and what a restoration makes of it.
@Suite struct BackupTests {
  private func status(_ path: String) throws -> FileStatus { try FileSystem.status(path, followingLinks: false) }

  @Test func everythingComesBack() async throws {
    let node = try await NodeDirectory()
    let manifest = try node.backUp()
    #expect(manifest.node == node.key.publicKey)
    let counts = manifest.counts
    #expect((counts.feeds, counts.subfeeds, counts.messages) == (1, 1, 3))
    // The key of the feed, its name, and one value.
    #expect((counts.values, counts.channels, counts.pins) == (3, 0, 3))
    #expect(try BackupArchive(node.folder.path("backup")).manifest == manifest)

    let outcome = try node.restore(to: "new/storage")
    #expect(outcome.aside == nil && outcome.kept == [])
    for name in [
      "kachery.yaml", "kachery-node/port", "kachery-node/channels/\(String(repeating: "a", count: 64)).yaml",
    ] {
      #expect(try node.bytes("new/storage/\(name)") == node.bytes("storage/\(name)"))
      #expect(try status(node.folder.path("new/storage/\(name)")).permissions == 0o600)
    }
    for name in ["private.pem", "public.pem"] {
      #expect(try node.bytes("new/storage/\(name)") == node.bytes("config/\(name)"))
    }
    #expect(try node.bytes("new-config/api-token") == Array("abc".utf8))
    let restored = try node.folder.files().filter { $0.hasPrefix("new/") }
    #expect(restored.count == 7 + node.pins.count + 1, "nothing else was restored: \(restored)")
    for hash in node.pins { #expect(FileSystem.exists(node.folder.path("new/storage/kachery-node/pins/\(hash)"))) }
    #expect(try status(node.folder.path("new/storage")).permissions == 0o755)
    #expect(try status(node.folder.path("new/storage/feeds.db")).permissions == 0o600)

    let mutables = try MutableTable(directory: node.folder.path("new/storage"))
    let feeds = try FeedStore(directory: node.folder.path("new/storage"), mutables: mutables)
    #expect(try mutables.get("color") == "blue")
    let feed = try #require(try feeds.feed(named: "main"))
    try await node.append(2, to: feed, in: feeds)
    #expect(try feeds.count(SubfeedKey(feed, NodeDirectory.subfeed)) == 5)
    feeds.close()
    let connection = try Connection(node.folder.path("new/storage/feeds.db"), journal: .asFound)
    #expect(try connection.hasWriteAheadLog())
    connection.close()
  }

  /// Feeds are created and written to all the time: a backup has whole messages, and the key of every feed in it.
  @Test func aBackupIsOfOneMoment() async throws {
    let node = try await NodeDirectory()
    let mutables = try MutableTable(directory: node.storage)
    let feeds = try FeedStore(directory: node.storage, mutables: mutables)
    let writing = Task {
      var count = 0
      while !Task.isCancelled {
        let feed = try await feeds.written { feeds.create(named: nil, then: $0) }
        for _ in 0..<3 { try await node.append(2, to: feed, in: feeds) }
        count += 1
      }
      return count
    }
    for number in 0..<5 {
      let manifest = try await onOwnThread { try node.backUp("backup-\(number)") }
      _ = try await onOwnThread { try node.restore("backup-\(number)", to: "restored-\(number)") }
      let mutables = try MutableTable(directory: node.folder.path("restored-\(number)"))
      let feeds = try FeedStore(directory: node.folder.path("restored-\(number)"), mutables: mutables)
      let summaries = try feeds.summaries()
      #expect(summaries.count == Int(manifest.counts.feeds))
      for summary in summaries {
        #expect(try feeds.isWriteable(summary.feed), "a feed has lost its key")
        // A request appends two messages, in one transaction.
        #expect(try feeds.subfeeds(of: summary.feed).allSatisfy { $0.count.isMultiple(of: 2) || $0.count == 3 })
      }
      feeds.close()
      mutables.close()
    }
    writing.cancel()
    #expect(try await writing.value > 0)
    feeds.close()
    mutables.close()
  }

  @Test func theKeyOfAnotherNodeIsNotTaken() async throws {
    let node = try await NodeDirectory()
    try node.folder.write("storage/kachery-node-id", try SigningKey.generate().publicKey.hex)
    #expect { try node.backUp() } throws: { "\($0)".contains("is the key of another node") }
    try FileSystem.remove("\(node.configuration)/private.pem")
    #expect { try node.backUp("second") } throws: { "\($0)".contains("KACHERY_P2P_CONFIG_DIR") }
    for name in ["kachery-node-id", "feeds.db", "mutables.db"] { try FileSystem.remove("\(node.storage)/\(name)") }
    #expect { try node.backUp("third") } throws: { "\($0)".contains("is not the storage directory of a node") }
  }

  // MARK: What is not restored

  @Test func anotherNodeOrItsFeedsAreNeverReplaced() async throws {
    let (node, other) = (try await NodeDirectory(), try await NodeDirectory())
    try node.backUp()
    func refusal(_ storage: String) throws -> String {
      let before = try other.folder.files().map { ($0, try other.bytes($0)) }
      var message = ""
      do {
        _ = try Restoration(
          of: BackupArchive(node.folder.path("backup")), into: storage, configurationDirectory: other.configuration,
          isIntoExisting: true, pinsFolder: { "\($0)/kachery-node/pins" }
        ).perform()
      } catch { message = "\(error)" }
      for (name, bytes) in before where !name.hasSuffix(".lock") { #expect(try other.bytes(name) == bytes, "\(name)") }
      #expect(try other.folder.files().filter { $0.contains("restor") } == [])
      return message
    }
    #expect(try refusal(other.storage).contains("belongs to another node"))
    try FileSystem.remove("\(other.storage)/kachery-node-id")
    #expect(try refusal(other.storage).contains("feeds.db holds feeds of its own"))
    try FileSystem.remove("\(other.storage)/feeds.db")
    #expect(try refusal(other.storage).contains("mutables.db holds values of its own"))
    try FileSystem.remove("\(other.storage)/mutables.db")
    try other.folder.write("storage/private.pem", Array(try other.key.pem().utf8), permissions: 0o600)
    #expect(try refusal(other.storage).contains("belongs to another node"))
  }

  @Test func aDirectoryInUseIsRefused() async throws {
    let node = try await NodeDirectory()
    try node.backUp()
    #expect { try node.restore(to: "storage") } throws: { "\($0)".contains("--into-existing") }
    let lock = try LockFile("\(node.storage)/kachery-node/daemon.lock", protecting: "The storage directory")
    #expect { try node.restore(to: "storage", isIntoExisting: true) } throws: { "\($0)".contains("in use by") }
    lock.release()
    try node.folder.write("file", "x")
    #expect { try node.restore(to: "file") } throws: { "\($0)".contains("not a folder") }
  }

  /// Stored files and settings are in the directory; what a daemon made when it was started there by mistake is empty.
  @Test func itGoesBesideStoredFiles() async throws {
    let node = try await NodeDirectory()
    try node.backUp()
    try FileSystem.createFolder(node.folder.path("disk/sha1/aa"), permissions: 0o755)
    try node.folder.write("disk/sha1/aa/file", "stored")
    try node.folder.write("disk/kachery.yaml", "label: other\n")
    let mutables = try MutableTable(directory: node.folder.path("disk"))
    try FeedStore(directory: node.folder.path("disk"), mutables: mutables).close()
    mutables.close()
    let outcome = try node.restore(to: "disk", isIntoExisting: true)
    #expect(try node.bytes("disk/sha1/aa/file") == Array("stored".utf8))
    #expect(try node.bytes("disk/kachery.yaml") == Array("label: anna\n".utf8))
    let aside = try #require(outcome.aside)
    #expect(try FileSystem.read("\(aside)/kachery.yaml", limit: 99) == Array("label: other\n".utf8))
    #expect(FileSystem.exists("\(aside)/feeds.db") && FileSystem.exists("\(aside)/mutables.db"))
    let files = try node.folder.files()
    #expect(try node.restore(to: "disk", isIntoExisting: true).aside == nil, "the second time, nothing is in the way")
    #expect(try node.folder.files() == files)
    try FileSystem.createFolder(node.folder.path("empty"), permissions: 0o755)
    _ = try node.restore(to: "empty")
    #expect(try node.bytes("empty/private.pem") == node.bytes("config/private.pem"))
  }

  /// Whichever operation fails, the directory has everything or is as it was. Every fourth one is tried, for the time
  /// that it takes.
  @Test(arguments: [false, true]) func aFailingDiskRestoresAllOrNothing(isIntoExisting: Bool) async throws {
    let node = try await NodeDirectory(inMemory: true)
    try node.backUp()
    var number = 0
    var isOver = false
    while !isOver {
      number += 4
      let name = "restored-\(number)"
      if isIntoExisting {
        try FileSystem.createFolder(node.folder.path("\(name)/kachery-node"), permissions: 0o755)
        try node.folder.write("\(name)/kachery.yaml", "label: other\n")
      }
      let fault = FileFault(at: number, errno: 28, .recovers)
      do {
        try FileFault.$current.withValue(fault) { _ = try node.restore(to: name, isIntoExisting: isIntoExisting) }
        isOver = fault.operations < number
      } catch {
        let files = try node.folder.files().filter { $0.hasPrefix("\(name)/") || $0.contains("restoring") }
        let kept = isIntoExisting ? ["\(name)/kachery.yaml"] : []
        #expect(files.filter { !$0.hasSuffix("daemon.lock") } == kept, "operation \(number): \(error)")
        if isIntoExisting { #expect(try node.bytes("\(name)/kachery.yaml") == Array("label: other\n".utf8)) }
        #expect(!FileSystem.exists(node.folder.path("new-config/api-token")))
      }
      try? FileSystem.removeTree(node.folder.path("new-config"))
    }
    #expect(number > 40)
  }
}
