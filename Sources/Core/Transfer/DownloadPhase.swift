import Primitives

/// The phase of an attempt at a file, with its state.
///
///     waiting ─▶ readingManifest ──not here──▶ fetchingManifest
///         │              │ here                     │ here
///         │              ▼                          │
///         └────────▶ preparing ◀────────────────────┘
///                        ▼
///                    fetching ──every piece is here──▶ completing
///
/// An attempt that fails for a local reason, such as a full disk, is postponed: the claim may be wrong.
enum DownloadPhase: Sendable {
  /// As many attempts as allowed are running.
  case waiting
  case readingManifest
  /// Sources that do not offer the manifest are used without it after that instant. `isLate` if the instant has passed
  /// once.
  case fetchingManifest(patientUntil: Instant, isLate: Bool)
  case preparing(DownloadPlan)
  case fetching(Fetching)
  /// The nodes that sent it, if only the whole file verifies the pieces.
  case completing(DownloadPlan, providers: Set<NodeID>)
  /// It could not be written. It is retried when no other attempt is left, if others used the disk as well.
  case postponed(mayRetry: Bool)

  var plan: DownloadPlan? {
    switch self {
    case .waiting, .readingManifest, .fetchingManifest, .postponed: nil
    case .preparing(let plan), .completing(let plan, _): plan
    case .fetching(let fetching): fetching.plan
    }
  }

  var fetching: Fetching? { if case .fetching(let fetching) = self { fetching } else { nil } }

  var isWaiting: Bool { if case .waiting = self { true } else { false } }

  /// Whether nothing can be fetched yet, but soon.
  var isUnprepared: Bool {
    switch self {
    case .waiting, .readingManifest, .fetchingManifest, .preparing: true
    case .fetching, .completing, .postponed: false
    }
  }

  /// Bytes that have arrived.
  var loadedBytes: UInt64 {
    switch self {
    case .fetching(let fetching): fetching.loadedBytes
    case .completing(let plan, _): plan.size
    default: 0
    }
  }
}
