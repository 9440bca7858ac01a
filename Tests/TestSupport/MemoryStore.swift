import Crypto
package import Primitives
package import Transfer

/// A content store in memory, with real hashes. It keeps what the store on disk keeps: whole files that have their
/// hash, and verified pieces of files that have not all come.
package struct MemoryStore {
  package private(set) var files: [ContentHash: [UInt8]] = [:]
  /// The manifest of each file that has one.
  package var manifests: [ContentHash: ContentHash] = [:]
  private var pieces: [ContentHash: [ByteRange: [UInt8]]] = [:]
  private var open: [DownloadID: DownloadPlan] = [:]

  package init() {}

  /// Downloads that have begun and not been let go of.
  package var openDownloads: Int { open.count }

  /// Whether this download receives this file.
  package func isOpen(_ id: DownloadID, for hash: ContentHash) -> Bool { open[id]?.hash == hash }

  /// Bytes of a file that are here: of all of it, or of the pieces that have come.
  package func heldBytes(of hash: ContentHash) -> Int {
    files[hash]?.count ?? pieces[hash]?.values.reduce(0) { $0 + $1.count } ?? 0
  }

  /// What is left when the process ends and another begins: files, and pieces of files with a manifest.
  package mutating func reopen() { for id in open.keys.sorted(by: { $0.number < $1.number }) { end(id) } }

  /// Stores bytes; with a chunk size also their manifest, as a store does with large files.
  @discardableResult
  package mutating func store(_ bytes: [UInt8], chunkSize: Int? = nil) -> FileKey {
    let hash = ContentHash.of(bytes)
    files[hash] = bytes
    guard let chunkSize else { return FileKey(hash: hash) }
    let manifest = store(Self.manifest(of: bytes, chunkSize: chunkSize, claiming: hash).bytes).hash
    manifests[hash] = manifest
    return FileKey(hash: hash, manifest: manifest)
  }

  /// The manifest of these bytes, which names the hash that it is told, true or not.
  package static func manifest(of bytes: [UInt8], chunkSize: Int, claiming hash: ContentHash) -> Manifest {
    let hashes = stride(from: 0, to: bytes.count, by: chunkSize).map { start in
      ContentHash.of(bytes[start..<min(start + chunkSize, bytes.count)])
    }
    return Manifest(size: UInt64(bytes.count), hash: hash, chunkSize: UInt64(chunkSize), chunkHashes: hashes)
  }

  /// Forgets a file, as an owner may at any time.
  package mutating func remove(_ hash: ContentHash) { files[hash] = nil }

  /// A file is altered behind the store's back. A store on disk finds that out before it gives the file out, and then has no
  /// such file; so it is gone here.
  package mutating func alter(_ hash: ContentHash) { files[hash] = nil }

  // MARK: Receiving

  /// Begins to receive a file; says which pieces are here from an earlier time.
  package mutating func begin(_ id: DownloadID, _ plan: DownloadPlan) -> Set<Int> {
    open[id] = plan
    let kept = pieces.removeValue(forKey: plan.hash) ?? [:]
    guard plan.pieces.count > 1 else { return [] }
    let verified = plan.pieces.indices.filter { index in
      kept[plan.pieces[index].range].map { ContentHash.of($0) == plan.pieces[index].hash } ?? false
    }
    for index in verified { pieces[plan.hash, default: [:]][plan.pieces[index].range] = kept[plan.pieces[index].range] }
    return Set(verified)
  }

  /// Takes in a piece; says whether it has its hash, if it has one.
  package mutating func add(_ bytes: [UInt8], _ piece: Piece, to id: DownloadID) -> Bool {
    guard let plan = open[id], pieces[plan.hash]?[piece.range] == nil else { return false }
    guard piece.hash == nil || piece.hash == ContentHash.of(bytes) else { return false }
    pieces[plan.hash, default: [:]][piece.range] = bytes
    return true
  }

  /// What a download that is under way was begun with.
  package func plan(_ id: DownloadID) -> DownloadPlan? { open[id] }

  /// The pieces of a file that is still arriving which others may have.
  package func share(_ hash: ContentHash) -> (plan: DownloadPlan, chunks: ChunkSet)? {
    guard let plan = open.values.first(where: { $0.hash == hash && $0.manifest != nil }) else { return nil }
    var chunks = ChunkSet(of: plan.pieces.count)
    for place in plan.pieces.indices where shared(hash, plan.pieces[place].range) != nil { chunks.insert(place) }
    return (plan, chunks)
  }

  /// A piece of a file that is still arriving; nil where it is not here.
  package func shared(_ hash: ContentHash, _ range: ByteRange) -> [UInt8]? { pieces[hash]?[range] }

  /// Admits the whole file if it has its hash.
  package mutating func finish(_ id: DownloadID) -> CompletionOutcome {
    guard let plan = open[id] else { return .failed(KacheryError(.internalError, "There is no such download.")) }
    let whole = plan.pieces.flatMap { pieces[plan.hash]?[$0.range] ?? [] }
    if ContentHash.of(whole) == plan.hash { files[plan.hash] = whole }
    pieces[plan.hash] = nil
    return files[plan.hash] != nil ? .admitted : .failed(KacheryError(.hashMismatch, "The file has another hash."))
  }

  /// Lets go of a download; verified pieces of a file with a manifest stay.
  package mutating func end(_ id: DownloadID) {
    guard let plan = open.removeValue(forKey: id), plan.pieces.count == 1 || plan.pieces[0].hash == nil else { return }
    pieces[plan.hash] = nil
  }
}
