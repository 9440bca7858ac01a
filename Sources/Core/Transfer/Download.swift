import Primitives

/// What some nodes claim about a file. Until all of it is stored and has its hash, each of several claims may be true.
enum Claim: Hashable, Sendable {
  /// The file is cut as this manifest says.
  case manifest(ContentHash)
  /// The file has this many bytes.
  case size(UInt64)
  /// The claim of this node alone; its bytes are not mixed with those of other nodes.
  case alone(NodeID)
  /// The file is a part of a larger one, according to the client.
  case part
}

/// One attempt at a file, based on one claim. Several run concurrently while nodes contradict each other.
///
///     waiting ─▶ readingManifest ──not here──▶ fetchingManifest
///         │              │ here                     │ here
///         │              ▼                          │
///         └────────▶ preparing ◀────────────────────┘
///                        ▼
///                    fetching ──every piece is here──▶ completing
///
/// An attempt that fails for a local reason, such as a full disk, is postponed: the claim may be wrong.
struct Download: Sendable {
  enum Phase: Sendable {
    /// As many attempts as allowed are running.
    case waiting
    case readingManifest
    /// Sources that do not offer the manifest are used without it after that instant. `isLate` if the instant has
    /// passed once.
    case fetchingManifest(patientUntil: Instant, isLate: Bool)
    case preparing(DownloadPlan)
    case fetching(Fetching)
    /// The nodes that sent it, if only the whole file verifies the pieces.
    case completing(DownloadPlan, providers: Set<NodeID>)
    /// It could not be written. It is retried when no other attempt is left, if others used the disk as well.
    case postponed(mayRetry: Bool)
  }

  let claim: Claim
  var phase = Phase.waiting
  /// Whether it has been postponed before.
  var isRetry = false

  init(_ claim: Claim) { self.claim = claim }

  var plan: DownloadPlan? {
    switch phase {
    case .waiting, .readingManifest, .fetchingManifest, .postponed: nil
    case .preparing(let plan), .completing(let plan, _): plan
    case .fetching(let fetching): fetching.plan
    }
  }

  /// The manifest that it needs, or uses.
  var manifest: ContentHash? { if case .manifest(let manifest) = claim { manifest } else { nil } }

  var fetching: Fetching? { if case .fetching(let fetching) = phase { fetching } else { nil } }

  var isFetchingManifest: Bool { if case .fetchingManifest = phase { true } else { false } }

  /// Bytes that have arrived.
  var loadedBytes: UInt64 {
    switch phase {
    case .fetching(let fetching): fetching.loadedBytes
    case .completing(let plan, _): plan.size
    default: 0
    }
  }

  /// Changes the pieces in place; does nothing, and returns nil, in another phase.
  mutating func change<Value>(_ body: (inout Fetching) -> Value) -> Value? {
    guard case .fetching(var fetching) = phase else { return nil }
    // The pieces must have only one reference, or changing them would copy them.
    phase = .waiting
    defer { phase = .fetching(fetching) }
    return body(&fetching)
  }
}
