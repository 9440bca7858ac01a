import Crypto
package import Primitives
package import Transfer

/// A content store in memory, with real hashes. Like the store on disk it keeps whole files that have their hash, and
/// verified pieces of incomplete files.
package struct MemoryStore {
  package private(set) var files: [ContentHash: [UInt8]] = [:]
  /// The manifest of each file that has one.
  package var manifests: [ContentHash: ContentHash] = [:]
  /// Verified pieces of files that were not finished.
  private var kept: [ContentHash: [ByteRange: [UInt8]]] = [:]
  private var open: [DownloadID: Incoming] = [:]

  /// A file being received. If several receive one file, one of them is kept for later.
  private struct Incoming {
    let plan: DownloadPlan
    let isKept: Bool
    var pieces: [ByteRange: [UInt8]] = [:]
    /// The first bytes of incomplete pieces.
    var beginnings: [ByteRange: [UInt8]] = [:]

    var verifiedCount: Int { plan.manifest == nil ? 0 : pieces.count }
  }

  package init() {}

  /// Downloads that have begun and not ended.
  package var openDownloads: Int { open.count }
  /// Downloads that were requested and have not ended.
  private var wanted: Set<DownloadID> = []

  /// Bytes of complete pieces of a download.
  package func heldBytes(of id: DownloadID) -> Int { open[id]?.pieces.values.reduce(0) { $0 + $1.count } ?? 0 }

  /// The downloads that receive this file.
  package func downloads(of hash: ContentHash) -> [DownloadID] {
    open.filter { $0.value.plan.hash == hash }.keys.sorted { $0.number < $1.number }
  }

  /// Leaves what survives a restart of the process: files, and pieces of files with a manifest.
  package mutating func reopen() { for id in open.keys.sorted(by: { $0.number < $1.number }) { end(id) } }

  /// Stores bytes; with a chunk size also their manifest, as a store does for large files.
  @discardableResult
  package mutating func store(_ bytes: [UInt8], chunkSize: Int? = nil) -> FileKey {
    let hash = ContentHash.of(bytes)
    files[hash] = bytes
    guard let chunkSize else { return FileKey(hash: hash) }
    let manifest = store(Self.manifest(of: bytes, chunkSize: chunkSize, claiming: hash).bytes).hash
    manifests[hash] = manifest
    return FileKey(hash: hash, manifest: manifest)
  }

  /// The manifest of these bytes, claiming the given hash, true or not.
  package static func manifest(of bytes: [UInt8], chunkSize: Int, claiming hash: ContentHash) -> Manifest {
    let hashes = stride(from: 0, to: bytes.count, by: chunkSize).map { start in
      ContentHash.of(bytes[start..<min(start + chunkSize, bytes.count)])
    }
    return Manifest(size: UInt64(bytes.count), hash: hash, chunkSize: UInt64(chunkSize), chunkHashes: hashes)
  }

  /// Removes a file, as an owner may at any time.
  package mutating func remove(_ hash: ContentHash) { files[hash] = nil }

  /// Alters a file behind the store's back. A store on disk detects that before it serves the file, and then does not
  /// have it; so the file is removed here.
  package mutating func alter(_ hash: ContentHash) { files[hash] = nil }

  // MARK: Receiving

  /// A download will begin, unless it ends before.
  package mutating func want(_ id: DownloadID) { wanted.insert(id) }

  package func wants(_ id: DownloadID) -> Bool { wanted.contains(id) }

  /// Begins to receive a file; returns the pieces that an earlier download left.
  package mutating func begin(_ id: DownloadID, _ plan: DownloadPlan) -> Set<Int> {
    let isBeside = open.values.contains { $0.plan.hash == plan.hash && $0.isKept }
    let earlier = isBeside ? [:] : kept[plan.hash] ?? [:]
    let verified =
      plan.manifest == nil
      ? []
      : plan.pieces.indices.filter { index in
        earlier[plan.pieces[index].range].map { ContentHash.of($0) == plan.pieces[index].hash } ?? false
      }
    // Pieces of another description of the file are kept for that description.
    let isKept = !isBeside && (earlier.isEmpty || !verified.isEmpty)
    open[id] = Incoming(plan: plan, isKept: isKept)
    if isKept { kept[plan.hash] = nil }
    for index in verified { open[id]?.pieces[plan.pieces[index].range] = earlier[plan.pieces[index].range] }
    return Set(verified)
  }

  /// Whether a piece of a download is present.
  package func hasArrived(_ range: ByteRange, of id: DownloadID) -> Bool { open[id]?.pieces[range] != nil }

  /// Adds a piece; returns whether it has its hash, if it has one.
  package mutating func add(_ bytes: [UInt8], _ piece: Piece, to id: DownloadID) -> Bool {
    guard let incoming = open[id], incoming.pieces[piece.range] == nil else { return false }
    open[id]?.beginnings[piece.range] = nil
    guard piece.hash == nil || piece.hash == ContentHash.of(bytes) else { return false }
    open[id]?.pieces[piece.range] = bytes
    return true
  }

  /// Keeps the first bytes of an incomplete piece.
  package mutating func keepBeginning(_ bytes: [UInt8], _ range: ByteRange, of id: DownloadID) {
    open[id]?.beginnings[range] = bytes
  }

  /// The first bytes of a piece that are present.
  package func beginning(_ range: ByteRange, of id: DownloadID) -> [UInt8] { open[id]?.beginnings[range] ?? [] }

  /// The number of first bytes present, by piece.
  package func beginnings(of id: DownloadID) -> [ByteRange: Int] { open[id]?.beginnings.mapValues(\.count) ?? [:] }

  /// The plan of a running download.
  package func plan(_ id: DownloadID) -> DownloadPlan? { open[id]?.plan }

  /// The pieces of an incoming file that other nodes may request.
  package func share(_ hash: ContentHash) -> (plan: DownloadPlan, chunks: ChunkSet)? {
    guard let plan = shared(hash)?.plan else { return nil }
    var chunks = ChunkSet(of: plan.pieces.count)
    for place in plan.pieces.indices where shared(hash, plan.pieces[place].range) != nil { chunks.insert(place) }
    return (plan, chunks)
  }

  /// A piece of an incoming file; nil if it is not present.
  package func shared(_ hash: ContentHash, _ range: ByteRange) -> [UInt8]? { shared(hash)?.pieces[range] }

  /// Of several downloads of the file, the most complete one.
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

  /// Ends a download; verified pieces of a file with a manifest are kept.
  package mutating func end(_ id: DownloadID) {
    wanted.remove(id)
    guard let incoming = open.removeValue(forKey: id), incoming.isKept, incoming.plan.manifest != nil,
      !incoming.pieces.isEmpty
    else { return }
    kept[incoming.plan.hash] = incoming.pieces
  }
}
