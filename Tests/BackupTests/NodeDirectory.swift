import Crypto
import Database
import FeedStore
import Files
import Primitives
import TestSupport
import Testing

@testable import Backup

/// The storage directory of a node that wrote feeds and values, and backups of it.
struct NodeDirectory {
  let folder: TemporaryFolder
  let key: SigningKey
  let pins: [ContentHash]

  var storage: String { folder.path("storage") }
  var configuration: String { folder.path("config") }

  /// A node with one feed of three messages, and one value besides the feed's key.
  init(inMemory: Bool = false) async throws {
    folder = try TemporaryFolder(inMemory: inMemory)
    key = try SigningKey.generate()
    pins = (0..<3).map { ContentHash.of([UInt8($0)]) }
    try FileSystem.createFolder(folder.path("config"), permissions: 0o700)
    try FileSystem.createFolder(folder.path("storage/kachery-node/channels"), permissions: 0o700)
    try folder.write("config/private.pem", Array(try key.pem().utf8), permissions: 0o600)
    try folder.write("config/public.pem", try key.publicKey.pem())
    try folder.write("config/api-token", "abc")
    try folder.write("storage/kachery-node-id", key.publicKey.hex)
    try folder.write("storage/kachery.yaml", "label: anna\n")
    try FileSystem.createFolder(folder.path("storage/kachery-node/replicas"), permissions: 0o700)
    try folder.write("storage/kachery-node/replicas/\(pins[0])", "")
    try folder.write("storage/kachery-node/port", "14507\n")
    try folder.write("storage/kachery-node/channels/\(String(repeating: "a", count: 64)).yaml", "nodes: []\n")
    try folder.write("storage/kachery-node/channels/\(String(repeating: "a", count: 64)).secret", "left out")
    let mutables = try MutableTable(directory: storage)
    try mutables.set("color", "blue")
    let feeds = try FeedStore(directory: storage, mutables: mutables)
    let feed = try await feeds.written { feeds.create(named: "main", then: $0) }
    try await append(3, to: feed, in: feeds)
    feeds.close()
    mutables.close()
  }

  static let subfeed = SubfeedHash(ContentHash.of(Array("log".utf8)))

  /// Appends messages, each with its number.
  func append(_ count: Int, to feed: FeedID, in feeds: FeedStore) async throws {
    let subfeed = SubfeedKey(feed, Self.subfeed)
    _ = try await feeds.written { then in
      feeds.append(
        (0..<count).map { ["n": .integer(Int64($0))] }, to: subfeed, at: WallTime(milliseconds: 1_700_000_000_000),
        then: then)
    }
  }

  /// Writes a backup to `name` in the folder.
  @discardableResult
  func backUp(_ name: String = "backup") throws -> BackupManifest {
    let scratch = folder.path("scratch")
    try FileSystem.createFolder(scratch, permissions: 0o700)
    defer { try? FileSystem.removeTree(scratch) }
    let backup = NodeBackup(
      directory: storage, configurationDirectories: [folder.path("none"), configuration], pins: pins, software: "1.2.3")
    let file = try File(folder.path(name), .createNew(permissions: 0o600))
    defer { file.close() }
    var offset: UInt64 = 0
    return try backup.write(scratch: scratch, at: WallTime(milliseconds: 1_700_000_000_000)) {
      (bytes) throws(KacheryError) in
      try file.write(at: offset, bytes)
      offset += UInt64(bytes.count)
    }
  }

  /// Restores a backup to `name` in the folder.
  func restore(
    _ backup: String = "backup", to name: String, isIntoExisting: Bool = false
  ) throws -> Restoration.Outcome {
    try Restoration(
      of: BackupArchive(folder.path(backup)), into: folder.path(name),
      configurationDirectory: folder.path("new-config"),
      isIntoExisting: isIntoExisting, pinsFolder: { "\($0)/kachery-node/pins" }
    ).perform()
  }

  /// The whole content of a file in the folder.
  func bytes(_ name: String) throws -> [UInt8] { try FileSystem.read(folder.path(name), limit: 64 << 20) }
}

extension FeedStore {
  /// Waits for the result that a write reports.
  func written<Success: Sendable>(
    _ write: (@escaping @Sendable (Result<Success, KacheryError>) -> Void) -> Void
  ) async throws -> Success {
    try await withCheckedContinuation { continuation in write { continuation.resume(returning: $0) } }.get()
  }
}
