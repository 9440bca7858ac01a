import Primitives

/// One file on its way here, whoever asked for it.
///
///     searching ──a source──▶ readingManifest ──not here──▶ fetchingManifest
///         │                        │ here, or none              │ here, or none to be had
///         │                        ▼                            │
///         │                    preparing ◀──────────────────────┘
///         │                        ▼
///         └──no source──▶ ✗    fetching ──every piece verified──▶ completing ──the whole verified──▶ ✓
struct Download: Sendable {
  enum Phase: Hashable, Sendable {
    case searching
    case readingManifest
    case fetchingManifest(DownloadID)
    case preparing
    case fetching
    case completing
  }

  /// Who waits for the file.
  enum Waiter: Hashable, Sendable {
    case load(LoadID)
    /// The file is the manifest of another download's.
    case download(DownloadID)
  }

  /// A piece on its way.
  struct Fetch: Sendable {
    let piece: Int
    let node: NodeID
    var received: UInt64 = 0
  }

  let wish: Wish
  var phase = Phase.searching
  var waiters: [Waiter]
  var plan: DownloadPlan?
  /// The manifest that is wanted or in use; nil once none is to be had.
  var manifest: ContentHash?
  var sources: [NodeID: Source] = [:]
  /// Nodes that have the file and contradict the plan: either they are wrong or the plan is.
  var misfits: [NodeID: Source] = [:]
  /// Those of them that gave bytes which contradict a manifest that another node named, and the piece.
  var suspects: [NodeID: ContentHash] = [:]
  /// Manifests that turned out not to be this file's.
  var rejectedManifests: Set<ContentHash> = []
  /// Whether pieces without hashes of their own are not mixed: some node gave a wrong one, and nobody knows which.
  var takesOneSource = false
  /// How fast each source is.
  var rates: [NodeID: SourceRate] = [:]
  /// How often others have taken over from each source since it gave a piece.
  var overtaken: [NodeID: Int] = [:]
  /// When to see whether a source that has nothing to do should take over from a slow one.
  var checksForSlownessAt: Instant?
  /// When each source last gave a byte or said that there is a wait, or was first asked for one.
  var heardFrom: [NodeID: Instant] = [:]
  /// The sources that give nothing for the time being, because they serve others too.
  var delays: [NodeID: SourceDelay] = [:]
  var fetches: [FetchID: Fetch] = [:]
  /// Pieces that nobody has been asked for, the next one last.
  var unrequested: [Int] = []
  var verifiedBytes: UInt64 = 0
  var verifiedPieces = 0
  /// Sources that are loading the file themselves and have nothing more, as far as is known, that is still to be asked for.
  var exhausted: Set<NodeID> = []
  /// Nodes that have asked for the file meanwhile: they may be loading it too.
  var wanters: Set<NodeID> = []
  /// When sources that are loading the file themselves, and whoever may be, are asked again what they have.
  var asksAgainAt: Instant?
  /// Since when there are sources, and none of them has anything that is still to be asked for.
  var starvesSince: Instant?
  /// Who gave each piece that is here.
  var givers: [Int: NodeID] = [:]
  /// Nodes that gave wrong bytes for this file.
  var liars: [NodeID] = []
  var lastLost: NodeID?
  /// When everybody was last asked for it.
  var searchedAt = Instant(nanoseconds: 0)
  /// Whether the peers were asked once more after the last source was lost.
  var hasSearchedAgain = false

  init(wish: Wish, waiter: Waiter) {
    self.wish = wish
    waiters = [waiter]
    manifest = wish.key.manifest
  }

  /// Whether the manifest comes from a node, and not from whoever wants the file.
  var isManifestTold: Bool { manifest != nil && manifest != wish.key.manifest }

  /// The same wish with only those sources that the plan had no use for.
  var begunAnew: Download {
    var download = self
    download.phase = .searching
    download.plan = nil
    download.manifest = nil
    download.sources = misfits
    download.misfits = [:]
    download.suspects = [:]
    download.rates = [:]
    download.overtaken = [:]
    download.checksForSlownessAt = nil
    download.heardFrom = [:]
    download.delays = [:]
    download.fetches = [:]
    download.unrequested = []
    download.verifiedBytes = 0
    download.verifiedPieces = 0
    download.givers = [:]
    download.exhausted = []
    download.asksAgainAt = nil
    download.starvesSince = nil
    return download
  }

  var loadedBytes: UInt64 { fetches.values.reduce(verifiedBytes) { $0 + $1.received } }

  func outstanding(from node: NodeID) -> Int { fetches.values.count { $0.node == node } }

  /// Whether the file is a part of a larger one, to be cut out of it.
  func matches(_ source: Source) -> Bool {
    guard let plan else { return true }
    if source.offset > 0 || source.hash != wish.key.hash {
      return source.file.size >= source.offset + plan.size
    }
    guard source.file.size == plan.size else { return false }
    guard let chunks = source.file.chunks else { return true }
    return source.file.manifest == plan.manifest && chunks.fits(plan.pieces.count)
  }
}
