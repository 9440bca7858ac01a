import Primitives

/// What some nodes say of a file. Until all of it is here and has its hash, each of several claims may be the true one.
enum Claim: Hashable, Sendable {
  /// The file is cut as this manifest says.
  case manifest(ContentHash)
  /// The file has this many bytes.
  case size(UInt64)
  /// What this one node says; its bytes are not mixed with those of others.
  case alone(NodeID)
  /// The file is a part of a larger one, as the client says.
  case part
}

/// One attempt at a file: what comes of one claim. Several run concurrently while nodes contradict each other.
///
///     waiting ─▶ readingManifest ──not here──▶ fetchingManifest
///         │              │ here                     │ here
///         │              ▼                          │
///         └────────▶ preparing ◀────────────────────┘
///                        ▼
///                    fetching ──every piece is here──▶ completing
///
/// An attempt that fails for a reason of this node's own, such as a full disk, is postponed: the claim may be wrong.
struct Download: Sendable {
  enum Phase: Sendable {
    /// As many attempts as may run do.
    case waiting
    case readingManifest
    /// Sources that do not offer the manifest are used without it from that instant on. It is late if that has passed once.
    case fetchingManifest(patientUntil: Instant, isLate: Bool)
    case preparing(DownloadPlan)
    case fetching(Fetching)
    /// The nodes that gave it, if only the whole file verifies the pieces.
    case completing(DownloadPlan, providers: Set<NodeID>)
    /// It could not be written. It is tried once more when no other is left, if others used the disk as well.
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

  /// Bytes that are here.
  var loadedBytes: UInt64 {
    switch phase {
    case .fetching(let fetching): fetching.loadedBytes
    case .completing(let plan, _): plan.size
    default: 0
    }
  }

  /// Changes the pieces under way in place; does nothing, and returns nil, in another phase.
  mutating func change<Value>(_ body: (inout Fetching) -> Value) -> Value? {
    guard case .fetching(var fetching) = phase else { return nil }
    // Only one reference to the pieces may be left, or changing them would copy them.
    phase = .waiting
    defer { phase = .fetching(fetching) }
    return body(&fetching)
  }
}
