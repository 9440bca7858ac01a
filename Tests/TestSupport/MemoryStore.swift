import Crypto
package import Primitives
package import Transfer

/// A content store in memory, with real hashes. It keeps what the store on disk keeps: whole files that have their
/// hash, and verified pieces of files that have not all come.
package struct MemoryStore {
  package private(set) var files: [ContentHash: [UInt8]] = [:]
  /// The manifest of each file that has one.
  package var manifests: [ContentHash: ContentHash] = [:]
  /// Verified pieces of files that were not finished.
  private var kept: [ContentHash: [ByteRange: [UInt8]]] = [:]
  private var open: [DownloadID: Incoming] = [:]

  /// A file on its way in. Of several for one file, one is kept for later.
  private struct Incoming {
    let plan: DownloadPlan
    let isKept: Bool
    var pieces: [ByteRange: [UInt8]] = [:]
    /// The first bytes of pieces that did not come to their end.
    var beginnings: [ByteRange: [UInt8]] = [:]

    var verifiedCount: Int { plan.manifest == nil ? 0 : pieces.count }
  }

  package init() {}

  /// Downloads that have begun and not been let go of.
  package var openDownloads: Int { open.count }

  /// Bytes of complete pieces of a download.
  package func heldBytes(of id: DownloadID) -> Int { open[id]?.pieces.values.reduce(0) { $0 + $1.count } ?? 0 }

  /// The downloads that receive this file.
  package func downloads(of hash: ContentHash) -> [DownloadID] {
    open.filter { $0.value.plan.hash == hash }.keys.sorted { $0.number < $1.number }
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
    let isBeside = open.values.contains { $0.plan.hash == plan.hash && $0.isKept }
    let earlier = isBeside ? [:] : kept[plan.hash] ?? [:]
    let verified =
      plan.manifest == nil
      ? []
      : plan.pieces.indices.filter { index in
        earlier[plan.pieces[index].range].map { ContentHash.of($0) == plan.pieces[index].hash } ?? false
      }
    // What is here by another description of the file stays for that one.
    let isKept = !isBeside && (earlier.isEmpty || !verified.isEmpty)
    open[id] = Incoming(plan: plan, isKept: isKept)
    if isKept { kept[plan.hash] = nil }
    for index in verified { open[id]?.pieces[plan.pieces[index].range] = earlier[plan.pieces[index].range] }
    return Set(verified)
  }

  /// Whether a piece of a download is here.
  package func hasArrived(_ range: ByteRange, of id: DownloadID) -> Bool { open[id]?.pieces[range] != nil }

  /// Takes in a piece; says whether it has its hash, if it has one.
  package mutating func add(_ bytes: [UInt8], _ piece: Piece, to id: DownloadID) -> Bool {
    guard let incoming = open[id], incoming.pieces[piece.range] == nil else { return false }
    open[id]?.beginnings[piece.range] = nil
    guard piece.hash == nil || piece.hash == ContentHash.of(bytes) else { return false }
    open[id]?.pieces[piece.range] = bytes
    return true
  }

  /// Keeps the first bytes of a piece that does not come to its end.
  package mutating func keepBeginning(_ bytes: [UInt8], _ range: ByteRange, of id: DownloadID) {
    open[id]?.beginnings[range] = bytes
  }

  /// The first bytes of a piece that are here.
  package func beginning(_ range: ByteRange, of id: DownloadID) -> [UInt8] { open[id]?.beginnings[range] ?? [] }

  /// The bytes of beginnings of a download, by their pieces.
  package func beginnings(of id: DownloadID) -> [ByteRange: Int] { open[id]?.beginnings.mapValues(\.count) ?? [:] }

  /// What a download that is under way was begun with.
  package func plan(_ id: DownloadID) -> DownloadPlan? { open[id]?.plan }

  /// The pieces of a file that is still arriving which others may have.
  package func share(_ hash: ContentHash) -> (plan: DownloadPlan, chunks: ChunkSet)? {
    guard let plan = shared(hash)?.plan else { return nil }
    var chunks = ChunkSet(of: plan.pieces.count)
    for place in plan.pieces.indices where shared(hash, plan.pieces[place].range) != nil { chunks.insert(place) }
    return (plan, chunks)
  }

  /// A piece of a file that is still arriving; nil where it is not here.
  package func shared(_ hash: ContentHash, _ range: ByteRange) -> [UInt8]? { shared(hash)?.pieces[range] }

  /// Of several that receive the file, the one that has come furthest.
  private func shared(_ hash: ContentHash) -> Incoming? {
    downloads(of: hash).compactMap { open[$0] }.filter { $0.plan.manifest != nil }
      .max { $0.verifiedCount < $1.verifiedCount }
  }

  /// Admits the whole file if it has its hash.
  package mutating func finish(_ id: DownloadID) -> CompletionOutcome {
    guard let incoming = open[id] else { return .failed(KacheryError(.internalError, "There is no such download.")) }
    let plan = incoming.plan
    let whole = plan.pieces.flatMap { incoming.pieces[$0.range] ?? [] }
    if ContentHash.of(whole) == plan.hash { files[plan.hash] = whole }
    open[id]?.pieces = [:]
    return files[plan.hash] != nil ? .admitted : .failed(KacheryError(.hashMismatch, "The file has another hash."))
  }

  /// Lets go of a download; verified pieces of a file with a manifest stay.
  package mutating func end(_ id: DownloadID) {
    guard let incoming = open.removeValue(forKey: id), incoming.isKept, incoming.plan.manifest != nil,
      !incoming.pieces.isEmpty
    else { return }
    kept[incoming.plan.hash] = incoming.pieces
  }
}
