import ContentStore
import Crypto
import Diagnostics
import Files
import Glibc
import Primitives
import TestSupport
import Testing
import Transfer

/// What the transfer engine requires of a content store, wherever it stores the bytes. The simulations use the store in
/// memory; their results apply to the daemon because both stores obey the same laws.
protocol ReceivingStore {
  /// Stores a whole file.
  mutating func store(_ bytes: [UInt8]) throws -> ContentHash
  /// The bytes of a file; nil if it is not stored.
  func content(_ hash: ContentHash) throws -> [UInt8]?
  mutating func remove(_ hash: ContentHash) throws
  /// Alters the bytes of a file behind the store's back.
  mutating func alter(_ hash: ContentHash) throws
  /// Begins a download; returns the pieces that an earlier one left.
  mutating func begin(_ id: DownloadID, _ plan: DownloadPlan) throws -> Set<Int>
  /// Adds a piece; returns false if it was rejected.
  mutating func add(_ bytes: [UInt8], _ piece: Piece, to id: DownloadID) throws -> Bool
  /// The indices of the pieces that other nodes may request while the download is running.
  mutating func sharedPlaces(_ id: DownloadID) -> ChunkSet?
  /// A piece for another node; nil if the node may not have it.
  func shared(_ id: DownloadID, _ range: ByteRange) throws -> [UInt8]?
  mutating func finish(_ id: DownloadID) -> CompletionOutcome
  /// Closes a download.
  mutating func end(_ id: DownloadID)
}

extension MemoryStore: ReceivingStore {
  mutating func store(_ bytes: [UInt8]) throws -> ContentHash { store(bytes, chunkSize: nil).hash }
  func content(_ hash: ContentHash) throws -> [UInt8]? { files[hash] }
  mutating func sharedPlaces(_ id: DownloadID) -> ChunkSet? { plan(id).flatMap { share($0.hash)?.chunks } }
  func shared(_ id: DownloadID, _ range: ByteRange) throws -> [UInt8]? { plan(id).flatMap { shared($0.hash, range) } }
}

/// The store on disk, used as the daemon uses it.
struct DiskStore: ReceivingStore {
  private let folder: TemporaryFolder
  private let disk: ContentStore
  private var open: [DownloadID: IncomingFile] = [:]

  init() throws {
    folder = try TemporaryFolder()
    disk = try ContentStore(directory: folder.path("store"), log: .disabled)
  }

  mutating func store(_ bytes: [UInt8]) throws -> ContentHash {
    let writer = try disk.beginStore()
    try writer.write(bytes)
    return try writer.finish().hash
  }

  func content(_ hash: ContentHash) throws -> [UInt8]? {
    guard let reader = try disk.open(hash) else { return nil }
    defer { reader.close() }
    return try reader.bytes(ByteRange(whole: reader.size))
  }

  mutating func remove(_ hash: ContentHash) throws { try disk.remove(hash) }

  mutating func alter(_ hash: ContentHash) throws {
    let path = disk.path(of: hash)
    #expect(chmod(path, 0o644) == 0)
    let file = try File(path, .update)
    try file.write(at: 3, try file.bytes(at: 3, count: 1).map { $0 ^ 1 })
  }

  mutating func begin(_ id: DownloadID, _ plan: DownloadPlan) throws -> Set<Int> {
    let isBeside = open.values.contains { $0.hash == plan.hash }
    let file = try disk.beginReceive(
      plan.hash, size: plan.size, manifest: plan.manifest, chunks: plan.chunks, isBeside: isBeside)
    open[id] = file
    let kept = Set(file.resumed.map(\.range))
    return Set(plan.pieces.indices.filter { kept.contains(plan.pieces[$0].range) })
  }

  mutating func add(_ bytes: [UInt8], _ piece: Piece, to id: DownloadID) throws -> Bool {
    guard let file = open[id] else { return false }
    do {
      let chunk = try file.beginChunk(piece.range, expected: piece.hash)
      try bytes.withUnsafeBytes { try chunk.append($0) }
      try chunk.finish()
      return true
    } catch let error as KacheryError where [.hashMismatch, .alreadyRunning].contains(error.code) { return false }
  }

  mutating func sharedPlaces(_ id: DownloadID) -> ChunkSet? { open[id]?.share()?.chunks }

  func shared(_ id: DownloadID, _ range: ByteRange) throws -> [UInt8]? {
    guard let reader = try open[id]?.openShared(range) else { return nil }
    defer { reader.close() }
    return try reader.bytes(range)
  }

  mutating func finish(_ id: DownloadID) -> CompletionOutcome {
    guard let file = open[id] else { return .failed(KacheryError(.internalError, "There is no such download.")) }
    do throws(KacheryError) {
      _ = try file.finish()
      return .admitted
    } catch { return .failed(error) }
  }

  mutating func end(_ id: DownloadID) { open.removeValue(forKey: id)?.close() }
}
