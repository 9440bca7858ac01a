import Primitives

/// The state shared by a node's retrievals: their requests, and what is known about nodes and files beyond one
/// retrieval.
struct TransferOutbox: Sendable {
  /// A retrieval's request to the engine.
  enum Request: Sendable {
    /// Search for the file again.
    case search(ContentHash)
    /// Ask a node what it has of the file by now.
    case ask(NodeID, of: ContentHash)
    /// Get the manifest that this download needs.
    case fetchManifest(ContentHash, for: DownloadID)
    /// The download no longer waits for the manifest.
    case leaveManifest(ContentHash, DownloadID)
    /// No node sends anything for now, because this node serves others first.
    case delayed(ContentHash, NodeID, others: UInt32?)
    /// The wait for the node has reached its maximum; files that wait for this manifest need not wait for it again.
    case waitedTooLong(ContentHash, NodeID, SourceDelay)
    /// The retrieval has ended.
    case end(ContentHash, RetrievalOutcome)
  }

  let manifestThreshold: UInt64
  /// This node; its rank among the nodes that load a file decides where it starts.
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

/// How a retrieval ended.
enum RetrievalOutcome: Sendable {
  case loaded(size: UInt64, from: NodeID?)
  case failed(TransferFailure)
}
