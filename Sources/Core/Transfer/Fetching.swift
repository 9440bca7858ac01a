import Primitives

/// The pieces of a download: which have arrived, which are being fetched from which node, and which are missing.
struct Fetching: Sendable {
  /// A piece being fetched from one node.
  struct Fetch: Sendable {
    let piece: Int
    let node: NodeID
    /// Whether another node was asked for the piece before, and is late.
    let isSpare: Bool
    let begunAt: Instant
    /// The first bytes of the piece that have arrived, including those from earlier fetches.
    var received: UInt64
  }

  /// The first bytes of a piece that arrived in a fetch that has ended.
  struct Beginning: Sendable {
    var bytes: UInt64 = 0
    /// The nodes that sent them.
    var providers: Set<NodeID> = []
  }

  let plan: DownloadPlan
  /// Pieces that no node is asked for.
  var missing: PieceSet
  var fetches: [FetchID: Fetch] = [:]
  var beginnings: [Int: Beginning] = [:]
  var verifiedBytes: UInt64 = 0
  var verifiedPieces = 0
  /// The nodes that sent what has arrived, if only the whole file verifies it.
  var providers: Set<NodeID> = []
  /// When to check whether an idle source should fetch a piece that another one is late with.
  var checksAt: Instant?
  /// When another source was last asked for a late piece.
  var racedAt: [Int: Instant] = [:]

  /// Every piece is missing except the verified ones.
  init(_ plan: DownloadPlan, verified: PieceSet) {
    self.plan = plan
    missing = PieceSet(plan.pieces.indices)
    missing.subtract(verified)
    verifiedPieces = plan.pieces.count - missing.count
    // Without a manifest, either the whole file has arrived or nothing.
    verifiedBytes =
      missing.isEmpty ? plan.size : verified.places.reduce(0) { $0 + plan.pieces[$1].range.count }
  }

  var isComplete: Bool { verifiedPieces == plan.pieces.count }

  var loadedBytes: UInt64 {
    var begun: [Int: UInt64] = beginnings.mapValues(\.bytes)
    // in any order: the maximum per piece counts
    for fetch in fetches.values { begun[fetch.piece] = max(begun[fetch.piece] ?? 0, fetch.received) }
    return begun.values.reduce(verifiedBytes, +)
  }

  /// The nodes that are asked for pieces.
  var askedNodes: Set<NodeID> { Set(fetches.values.map(\.node)) }

  /// The pieces being fetched, in order.
  var piecesUnderway: [Int] { Set(fetches.values.map(\.piece)).sorted() }

  func outstanding(from node: NodeID) -> Int { fetches.values.count { $0.node == node } }

  func holders(of piece: Int) -> [Fetch] { fetches.values.filter { $0.piece == piece } }

  /// Bytes that the node has yet to send.
  func bytesLeft(at node: NodeID) -> Double {
    fetches.values.reduce(0) { sum, fetch in
      guard fetch.node == node else { return sum }
      let count = plan.pieces[fetch.piece].range.count
      return sum + Double(count - min(fetch.received, count))
    }
  }

  /// How many first bytes of a piece need not be fetched again. At least one byte is fetched, so that a fetch verifies
  /// the piece.
  func kept(of piece: Int) -> UInt64 {
    let count = plan.pieces[piece].range.count
    return count == 0 ? 0 : min(beginnings[piece]?.bytes ?? 0, count - 1)
  }

  /// Ends a fetch. Its piece is missing again unless another node is asked for it as well.
  ///
  /// - Parameter isKept: whether to keep the bytes that have arrived.
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

  /// A piece was verified: ends its fetch and all others of the same piece.
  ///
  /// - Returns: the other fetches.
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
  /// Whether the received bytes may be right.
  var keepsBytes: Bool {
    switch self {
    case .refused, .disconnected: true
    case .verified, .hashMismatch, .storageFailed: false
    }
  }
}
