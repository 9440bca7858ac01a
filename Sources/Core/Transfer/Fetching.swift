import Primitives

/// The pieces of a download: which are here, which are on their way and from whom, and which are missing.
struct Fetching: Sendable {
  /// A piece on its way from one node.
  struct Fetch: Sendable {
    let piece: Int
    let node: NodeID
    /// Whether another node was asked for the piece before, and is late.
    let isSpare: Bool
    let begunAt: Instant
    /// Bytes at its beginning that are here, those that earlier fetches left included.
    var received: UInt64
  }

  /// The first bytes of a piece that are here although the fetch that brought them has ended.
  struct Beginning: Sendable {
    var bytes: UInt64 = 0
    /// The nodes that gave them.
    var providers: Set<NodeID> = []
  }

  let plan: DownloadPlan
  /// Pieces that nobody is asked for.
  var missing: PieceSet
  var fetches: [FetchID: Fetch] = [:]
  var beginnings: [Int: Beginning] = [:]
  var verifiedBytes: UInt64 = 0
  var verifiedPieces = 0
  /// The nodes that gave what is here, if only the whole file verifies it.
  var providers: Set<NodeID> = []
  /// When to see whether a source that has nothing to do should fetch what another one is late with.
  var checksAt: Instant?
  /// When another source was last asked for a piece that is late.
  var racedAt: [Int: Instant] = [:]

  /// Every piece is missing but the verified ones.
  init(_ plan: DownloadPlan, verified: PieceSet) {
    self.plan = plan
    missing = PieceSet(plan.pieces.indices)
    missing.subtract(verified)
    verifiedPieces = plan.pieces.count - missing.count
    // Without a manifest all of the file is here, or nothing is.
    verifiedBytes =
      missing.isEmpty ? plan.size : verified.places.reduce(0) { $0 + plan.pieces[$1].range.count }
  }

  var isComplete: Bool { verifiedPieces == plan.pieces.count }

  var loadedBytes: UInt64 {
    var begun: [Int: UInt64] = beginnings.mapValues(\.bytes)
    // in any order: the most of each piece counts
    for fetch in fetches.values { begun[fetch.piece] = max(begun[fetch.piece] ?? 0, fetch.received) }
    return begun.values.reduce(verifiedBytes, +)
  }

  /// The nodes that are asked for something.
  var askedNodes: Set<NodeID> { Set(fetches.values.map(\.node)) }

  /// The pieces under way, in order.
  var piecesUnderway: [Int] { Set(fetches.values.map(\.piece)).sorted() }

  func outstanding(from node: NodeID) -> Int { fetches.values.count { $0.node == node } }

  func holders(of piece: Int) -> [Fetch] { fetches.values.filter { $0.piece == piece } }

  /// Bytes that the node has yet to give.
  func bytesLeft(at node: NodeID) -> Double {
    fetches.values.reduce(0) { sum, fetch in
      guard fetch.node == node else { return sum }
      let count = plan.pieces[fetch.piece].range.count
      return sum + Double(count - min(fetch.received, count))
    }
  }

  /// How many bytes at the beginning of a piece need not come again. At least one is fetched, so that there is a fetch to
  /// verify the piece.
  func kept(of piece: Int) -> UInt64 {
    let count = plan.pieces[piece].range.count
    return count == 0 ? 0 : min(beginnings[piece]?.bytes ?? 0, count - 1)
  }

  /// Ends a fetch. Its piece is missing again unless another node is asked for it as well.
  ///
  /// - Parameter isKept: whether what has come of it stays.
  mutating func end(_ id: FetchID, isKept: Bool) {
    guard let fetch = fetches.removeValue(forKey: id) else { return }
    let known = beginnings[fetch.piece, default: Beginning()]
    if isKept, !fetch.isSpare, fetch.received > known.bytes {
      beginnings[fetch.piece] = Beginning(bytes: fetch.received, providers: known.providers.union([fetch.node]))
    }
    guard !fetches.values.contains(where: { $0.piece == fetch.piece }) else { return }
    missing.insert(fetch.piece)
    racedAt[fetch.piece] = nil
  }

  /// A piece is here: the fetch that brought it and all others of it end.
  ///
  /// - Returns: the others.
  mutating func verified(_ id: FetchID) -> [(id: FetchID, fetch: Fetch)] {
    guard let fetch = fetches.removeValue(forKey: id) else { return [] }
    let rivals = fetches.filter { $0.value.piece == fetch.piece }.sorted { $0.key.number < $1.key.number }
    for rival in rivals { fetches[rival.key] = nil }
    let beginning = beginnings.removeValue(forKey: fetch.piece)
    racedAt[fetch.piece] = nil
    verifiedPieces += 1
    verifiedBytes += plan.pieces[fetch.piece].range.count
    if !plan.verifiesPieces {
      providers.insert(fetch.node)
      if !fetch.isSpare { providers.formUnion(beginning?.providers ?? []) }
    }
    return rivals.map { ($0.key, $0.value) }
  }
}

extension FetchOutcome {
  /// Whether the bytes that have come may be right.
  var keepsBytes: Bool {
    switch self {
    case .refused, .disconnected: true
    case .verified, .hashMismatch, .storageFailed: false
    }
  }
}
