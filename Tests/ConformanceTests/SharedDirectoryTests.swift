import ContentStore
import Crypto
import Diagnostics
import Dispatch
import Files
import Glibc
import Primitives
import Synchronization
import TestSupport
import Testing

/// Several stores on one directory, as in several processes and on several machines: whatever the others do in between,
/// each file is whole or absent, and each failure has a valid reason.
///
/// KACHERY_SHARED_DIRECTORIES may list paths where the same network folder is mounted, separated by colons; the stores
/// then use them.
@Suite struct SharedDirectoryTests {
  private static let workers = 6
  private static let steps = 60

  @Test(arguments: UInt64(0)..<3)
  func filesStayWholeWhateverTheProcessesDo(seed: UInt64) async throws {
    try await onOwnThread {
      let shared = try SharedDirectory(seed: seed)
      let complaints = Mutex<[String]>([])
      DispatchQueue.concurrentPerform(iterations: Self.workers) { number in
        var worker = SharingWorker(shared, number)
        do {
          for _ in 0..<Self.steps { try worker.step() }
        } catch {
          complaints.withLock { $0.append("seed \(seed), worker \(number), \(worker.deed): \(error)") }
        }
      }
      #expect(complaints.withLock { $0 } == [])
      try shared.expectOrder()
    }
  }
}

/// A storage directory and the contents that may be in it.
struct SharedDirectory: Sendable {
  private let folder: TemporaryFolder?
  /// The directory under each of its paths.
  let paths: [String]
  let seed: UInt64
  /// The contents that workers store, remove and look for.
  let contents: [[UInt8]]

  init(seed: UInt64) throws {
    self.seed = seed
    if let mounts = getenv("KACHERY_SHARED_DIRECTORIES") {
      folder = nil
      let name = "shared-\(FileSystem.processID)-\(seed)"
      paths = String(cString: mounts).split(separator: ":").map { "\($0)/\(name)" }
    } else {
      let folder = try TemporaryFolder()
      self.folder = folder
      paths = [folder.path("store")]
    }
    contents = [0, 1, 5_000, 70_000, 300_000, 300_000, 900_000].enumerated().map { index, size in
      PatternBytes.make(size, seed: index)
    }
  }

  /// Expects that nothing unfinished is left once all workers have ended, and that every file is whole.
  func expectOrder() throws {
    let store = try ContentStore(directory: paths[0], log: .disabled)
    let report = try store.verify { (_) throws(KacheryError) in true }
    #expect(report.damaged == 0 && report.foreign == 0 && report.unreadable == 0, "seed \(seed): \(report)")
    let unfinished = try FileSystem.names(in: "\(paths[0])/kachery-node/temporary")
    #expect(unfinished == [], "seed \(seed)")
    for content in contents { try expectStores(content, store) }
  }

  private func expectStores(_ content: [UInt8], _ store: ContentStore) throws {
    let writer = try store.beginStore()
    try writer.write(content)
    let reader = try store.open(try writer.finish().hash)
    #expect(try reader?.bytes(ByteRange(whole: UInt64(content.count))) == content, "seed \(seed)")
  }
}

/// A worker with a store of its own on the directory.
struct SharingWorker {
  private let shared: SharedDirectory
  private let path: String
  private var random: SeededRandom
  private var store: ContentStore?
  /// The current operation.
  private(set) var deed = "nothing"

  init(_ shared: SharedDirectory, _ number: Int) {
    self.shared = shared
    path = shared.paths[number % shared.paths.count]
    random = SeededRandom(seed: shared.seed &* 1_000 &+ UInt64(number))
  }

  /// Performs an operation, which may interfere with other workers.
  mutating func step() throws {
    let content = shared.contents[random.number(0...shared.contents.count - 1)]
    let hash = ContentHash.of(content)
    let choice = random.number(0...11)
    let store = try open(anew: choice == 0)
    switch choice {
    case 0, 1, 2: try perform("storing", store, allowing: []) { try Self.write(content, $0) }
    case 3:
      try perform("a batch", store, allowing: []) { store in
        for outcome in store.admit([SmallFile(hash: hash, bytes: content)]) { _ = try outcome.get() }
      }
    case 4, 5: try receive(content, store)
    case 6, 7: try perform("reading", store, allowing: []) { try Self.read(hash, content, $0) }
    case 8: try perform("removing", store, allowing: [.notFound, .forbidden, .alreadyRunning]) { try $0.remove(hash) }
    case 9: try perform("pinning", store, allowing: []) { try $0.pin(hash) }
    case 10: try perform("unpinning", store, allowing: []) { try $0.unpin(hash) }
    default: try keep(store)
    }
  }

  private mutating func open(anew: Bool) throws -> ContentStore {
    if !anew, let store { return store }
    deed = "opening"
    let opened = try ContentStore(directory: path, log: .disabled)
    store = opened
    return opened
  }

  private mutating func perform(
    _ deed: String, _ store: ContentStore, allowing codes: Set<KacheryError.Code>, _ body: (ContentStore) throws -> Void
  ) throws {
    self.deed = deed
    do { try body(store) } catch let error as KacheryError where codes.contains(error.code) {}
  }

  private static func write(_ content: [UInt8], _ store: ContentStore) throws {
    let writer = try store.beginStore()
    try writer.write(content)
    guard try writer.finish().hash == ContentHash.of(content) else { throw Complaint("another hash") }
  }

  private static func read(_ hash: ContentHash, _ content: [UInt8], _ store: ContentStore) throws {
    guard let reader = try store.open(hash) else { return }
    defer { reader.close() }
    guard try reader.bytes(ByteRange(whole: reader.size)) == content else { throw Complaint("other bytes") }
  }

  /// Receives a file in chunks in random order, completely or in part.
  private mutating func receive(_ content: [UInt8], _ store: ContentStore) throws {
    let hash = ContentHash.of(content)
    let chunks = stride(from: 0, to: content.count, by: 100_000).compactMap { start -> Manifest.Chunk? in
      let end = min(start + 100_000, content.count)
      return ByteRange(start: UInt64(start), end: UInt64(end)).map {
        Manifest.Chunk(range: $0, hash: .of(content[start..<end]))
      }
    }.shuffled(using: &random)
    let stopsEarly = random.chance(30)
    try perform("receiving", store, allowing: [.alreadyRunning]) { store in
      let file = try store.beginReceive(hash, size: UInt64(content.count), chunks: chunks)
      defer { file.close() }
      let kept = Set(file.resumed.map(\.range))
      for chunk in chunks.dropLast(stopsEarly ? 1 : 0) where !kept.contains(chunk.range) {
        let incoming = try file.beginChunk(chunk.range, expected: chunk.hash)
        try content[Int(chunk.range.start)..<Int(chunk.range.end)].withUnsafeBytes { try incoming.append($0) }
        try incoming.finish()
      }
      guard !stopsEarly else { return }
      _ = try file.finish()
    }
  }

  private mutating func keep(_ store: ContentStore) throws {
    try perform("verifying", store, allowing: []) { store in
      let report = try store.verify { (_) throws(KacheryError) in true }
      guard report.damaged == 0, report.foreign == 0, report.unreadable == 0 else { throw Complaint("\(report)") }
    }
    try perform("looking", store, allowing: []) { _ = try $0.usage() }
    try perform("collecting", store, allowing: []) { _ = try $0.collect(emptyingTrash: true) }
  }
}

/// A violation of the expected behavior.
private struct Complaint: Error, CustomStringConvertible {
  let description: String

  init(_ description: String) { self.description = description }
}
