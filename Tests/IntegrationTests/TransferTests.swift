import APIModel
import Crypto
import Foundation
import HTTP
import Primitives
import TestSupport
import Testing

/// Real daemons on loopback: the guarantees that a lab relies on.
@Suite(.serialized, .timeLimit(.minutes(2))) struct TransferTests {
  private let folder: TemporaryFolder
  private let bootstrap: RunningDaemon
  private let a: RunningDaemon
  private let b: RunningDaemon

  init() throws {
    folder = try TemporaryFolder()
    bootstrap = try RunningDaemon(in: folder.path("bootstrap"), ["--isbootstrap", "--port", "0"])
    let options = ["--bootstrap", "127.0.0.1:\(bootstrap.linkPort)", "--channel", "lab"]
    a = try RunningDaemon(in: folder.path("a"), options)
    b = try RunningDaemon(in: folder.path("b"), options)
    try a.waitForLinks(2)
    try b.waitForLinks(2)
  }

  @Test(arguments: [0, 1, 10_000, 20_000_000, 45_000_000])
  func aFileTravels(size: Int) throws {
    let path = try folder.file("file", bytes: size)
    let stored = try a.store(path)
    #expect((stored.manifest != nil) == (size > 20_000_000))
    var seen: [UInt64] = []
    let loaded = try b.load(FileKey(hash: stored.hash, manifest: stored.manifest)) { seen.append($0) }
    #expect(loaded == "\(b.storage)/sha1/" + ContentStorePath.relative(stored.hash))
    #expect(FileManager.default.contentsEqual(atPath: path, andPath: loaded))
    #expect(seen == seen.sorted())
    #expect(seen.last == UInt64(size))
    #expect(try b.found(FileKey(hash: stored.hash)).count == 2)
  }

  @Test func aLargeFileTravelsWithoutItsManifest() throws {
    let path = try folder.file("file", bytes: 30_000_000)
    let stored = try a.store(path)
    #expect(FileManager.default.contentsEqual(atPath: path, andPath: try b.load(FileKey(hash: stored.hash))))
  }

  private func read(_ node: RunningDaemon, _ key: FileKey, _ start: UInt64, _ end: UInt64?) throws -> (Int, [UInt8]) {
    try HTTPClient.fetch(
      node.request("/v1/read", ReadRequest(key: key, start: start, end: end).json), limit: 64 << 20)
  }

  /// The bytes of stored files below a node's storage directory.
  private func storedBytes(_ node: RunningDaemon) throws -> UInt64 {
    let usage = try node.post("/v1/store/usage", [:])
    return try #require(usage["stored"]?["bytes"]?.unsigned)
  }

  /// Two of a file's five chunks are needed; the manifest is known from the URI, or only to the node that has the file.
  @Test(arguments: [true, false])
  func aRangeBringsOnlyTheChunksThatHoldIt(namesManifest: Bool) throws {
    let bytes = PatternBytes.make(90_000_000, seed: 3)
    let path = folder.path("file")
    try Data(bytes).write(to: URL(filePath: path))
    let stored = try a.store(path)
    let key = FileKey(hash: stored.hash, manifest: namesManifest ? stored.manifest : nil)
    let (status, part) = try read(b, key, 39_999_000, 40_001_000)
    #expect(status == 200)
    let isRight = part == Array(bytes[39_999_000..<40_001_000])
    #expect(isRight)
    #expect(try storedBytes(b) < 41_000_000)
    #expect(try read(b, key, 80_000_000, 100_000_000).0 == 400)
    #expect(try read(b, key, 5, 4).0 == 400)
    // A later load of the whole file reuses the chunks that are stored.
    var first: UInt64?
    let loaded = try b.load(FileKey(hash: stored.hash, manifest: stored.manifest)) { first = first ?? $0 }
    #expect(FileManager.default.contentsEqual(atPath: path, andPath: loaded))
    #expect(try #require(first) > 39_000_000, "the chunks that were here count from the beginning")
    #expect(try read(b, key, 89_999_999, nil).1 == [bytes[89_999_999]])
  }

  /// Puts a file where older software would have left it: without a manifest.
  private func leave(_ bytes: [UInt8], under hash: ContentHash, on node: RunningDaemon) throws {
    let path = URL(filePath: "\(node.storage)/sha1/" + ContentStorePath.relative(hash))
    try FileManager.default.createDirectory(at: path.deletingLastPathComponent(), withIntermediateDirectories: true)
    try Data(bytes).write(to: path)
  }

  /// No node knows a manifest of the file: the node that has it creates one, and two of five chunks are loaded.
  @Test func aRangeOfAFileWithoutManifestBringsOnlyTheChunksThatHoldIt() throws {
    let bytes = PatternBytes.make(90_000_000, seed: 4)
    let key = FileKey(hash: .of(bytes))
    try leave(bytes, under: key.hash, on: a)
    let (status, part) = try read(b, key, 39_999_000, 40_001_000)
    #expect(status == 200)
    let isRight = part == Array(bytes[39_999_000..<40_001_000])
    #expect(isRight)
    #expect(try storedBytes(b) < 41_000_000)
    let told = try b.found(key).compactMap { $0["fileKey"]?["manifestSha1"]?.string }
    #expect(told.count == 1)
  }

  /// Bytes that do not belong to the file are not returned, even for a range.
  @Test func aRangeOfADamagedFileWithoutManifestIsRefused() throws {
    var bytes = PatternBytes.make(45_000_000, seed: 5)
    let key = FileKey(hash: .of(bytes))
    bytes[44_000_000] ^= 1
    try leave(bytes, under: key.hash, on: a)
    let (status, _) = try read(b, key, 0, 1_000)
    #expect(status == 404 || status == 502 || status == 500, "\(status)")
    #expect(try storedBytes(b) == 0)
  }

  @Test func aRangeOfASmallFileBringsTheFile() throws {
    let stored = try a.store(try folder.file("file", bytes: 10_000))
    let (status, part) = try read(b, FileKey(hash: stored.hash), 10, 20)
    #expect(status == 200)
    #expect(part == Array(PatternBytes.make(10_000, seed: 10_000)[10..<20]))
    #expect(try read(b, FileKey(hash: ContentHash.of([1, 2])), 0, 1).0 == 404)
  }

  @Test func aChunkIsCutOutOfTheFileThatHoldsIt() throws {
    let bytes = PatternBytes.make(100_000, seed: 9)
    let path = folder.path("file")
    try Data(bytes).write(to: URL(filePath: path))
    let stored = try a.store(path)
    let range = try #require(ByteRange(start: 1_000, end: 5_000))
    let key = FileKey(
      hash: ContentHash.of(Array(bytes[1_000..<5_000])), chunkOf: ChunkLocation(parent: stored.hash, range: range))
    let loaded = try b.load(key)
    #expect(try Array(Data(contentsOf: URL(filePath: loaded))) == Array(bytes[1_000..<5_000]))
  }

  /// The source's disk is damaged: its copy no longer has its hash. Several sizes, because blocks may still be written
  /// when the hash of their chunk turns out to be wrong.
  @Test(arguments: [50_000, 45_000_000, 45_000_001, 45_000_002, 45_000_003])
  func anAlteredFileIsRefused(size: Int) throws {
    let stored = try a.store(try folder.file("file", bytes: size))
    let copy = "\(a.storage)/sha1/" + ContentStorePath.relative(stored.hash)
    #expect(chmod(copy, 0o644) == 0)
    let handle = try FileHandle(forUpdating: URL(filePath: copy))
    try handle.seek(toOffset: UInt64(size / 2))
    try handle.write(contentsOf: Data([0xff, 0x00, 0xff]))
    try handle.close()
    #expect {
      try b.load(FileKey(hash: stored.hash, manifest: stored.manifest))
    } throws: {
      ($0 as? KacheryError)?.code == .hashMismatch
    }
    #expect(!FileManager.default.fileExists(atPath: "\(b.storage)/sha1/" + ContentStorePath.relative(stored.hash)))
  }

  /// `kill -9` of a source that is sending: a clear failure, and the same load succeeds once the source is back.
  @Test func aSourceThatDiesIsAClearFailureAndASecondTryWorks() throws {
    let path = try folder.file("file", bytes: 120_000_000)
    let stored = try a.store(path)
    let key = FileKey(hash: stored.hash, manifest: stored.manifest)
    let started = Date()
    #expect {
      try b.load(key) { _ in a.kill() }
    } throws: {
      let error = $0 as? KacheryError
      return error?.code == .disconnected && error?.message.contains("lost") == true
    }
    #expect(Date().timeIntervalSince(started) < 30)
    try a.start()
    try a.waitForLinks(2)
    try b.waitForLinks(2)
    #expect(FileManager.default.contentsEqual(atPath: path, andPath: try b.load(key)))
  }

  @Test func aFileThatNoNodeHasIsNotFound() throws {
    let key = FileKey(hash: ContentHash.of(Array("no node has this".utf8)))
    #expect { try b.load(key) } throws: { ($0 as? KacheryError)?.code == .notFound }
    #expect(try b.found(key).isEmpty)
  }

  @Test func linksOutliveTheBootstrapNode() throws {
    bootstrap.kill()
    let stored = try a.store(try folder.file("file", bytes: 5_000))
    _ = try b.load(FileKey(hash: stored.hash))
  }

  @Test func twoLoadsOfOneFileShareIt() async throws {
    let path = try folder.file("file", bytes: 60_000_000)
    let stored = try a.store(path)
    let key = FileKey(hash: stored.hash, manifest: stored.manifest)
    let loader = Loader(daemon: b)
    let one = Task.detached { try loader.load(key) }
    let two = Task.detached { try loader.load(key) }
    let paths = [try await one.value, try await two.value]
    #expect(paths[0] == paths[1])
    #expect(FileManager.default.contentsEqual(atPath: path, andPath: paths[0]))
  }
}

/// The path of a stored file below `sha1/`.
enum ContentStorePath {
  static func relative(_ hash: ContentHash) -> String {
    let hex = hash.hex
    return "\(hex.prefix(2))/\(hex.dropFirst(2).prefix(2))/\(hex.dropFirst(4).prefix(2))/\(hex)"
  }
}
