import Primitives

/// What the retrievals of a node share: what they want done, and what is known of nodes and files beyond one retrieval.
struct TransferOutbox: Sendable {
  /// What a retrieval asks of the engine.
  enum Request: Sendable {
    /// Ask everybody for the file again.
    case search(ContentHash)
    /// Ask a node what it has of the file by now.
    case ask(NodeID, of: ContentHash)
    /// Get the manifest that this download needs.
    case fetchManifest(ContentHash, for: DownloadID)
    /// The download no longer waits for the manifest.
    case leaveManifest(ContentHash, DownloadID)
    /// Nobody gives anything for now, because this node serves others first.
    case delayed(ContentHash, NodeID, others: UInt32?)
    /// The node has been waited for as long as any is; files that wait for this manifest need not wait for it again.
    case waitedTooLong(ContentHash, NodeID, SourceDelay)
    /// The retrieval has ended.
    case end(ContentHash, RetrievalOutcome)
  }

  let manifestThreshold: UInt64
  /// This node, whose place among those that load a file decides where it begins.
  let node: NodeID?
  var effects = EffectQueue<TransferEffect>()
  var requests: [Request] = []
  var bans = SourceBans()
  var history = TransferHistory()
  var retrievalOfDownload: [DownloadID: ContentHash] = [:]
  var downloadOfFetch: [FetchID: DownloadID] = [:]
  private var lastNumber: UInt64 = 0

  init(manifestThreshold: UInt64, node: NodeID?) {
    self.manifestThreshold = manifestThreshold
    self.node = node
  }

  mutating func emit(_ effect: TransferEffect) { effects.append(effect) }

  mutating func newNumber() -> UInt64 {
    lastNumber += 1
    return lastNumber
  }
}

/// How a retrieval has ended.
enum RetrievalOutcome: Sendable {
  case loaded(size: UInt64, from: NodeID?)
  case failed(TransferFailure)
}
