package import Primitives
package import Wire

/// A file that a client wants found or loaded, and its permitted sources.
package struct FileQuery: Hashable, Sendable {
  package let key: FileKey
  /// Ask only this node; nil for any.
  package let node: NodeID?
  /// Ask only members of the channel with this topic; nil for any.
  package let topic: Topic?
  /// Whether nodes should create a manifest for a large file without one before they answer.
  package let wantsManifest: Bool

  package init(key: FileKey, node: NodeID? = nil, topic: Topic? = nil, wantsManifest: Bool = false) {
    self.key = key
    self.node = node
    self.topic = topic
    self.wantsManifest = wantsManifest
  }
}

/// A question that is sent to every peer that may be asked.
package struct Question: Hashable, Sendable {
  /// Part of the messages that carry the question, and of their answers.
  package let id: UInt32
  package let hash: ContentHash
  package let node: NodeID?
  package let topic: Topic?
  package var wantsManifest = false
}

/// A peer to which a question was sent, and the channel.
package struct AskedPeer: Hashable, Sendable {
  package let node: NodeID
  package let topic: Topic

  package init(node: NodeID, topic: Topic) {
    self.node = node
    self.topic = topic
  }
}

/// A piece to be fetched from one node. Pieces of one download from one node are requested in this order on one stream.
package struct PieceFetch: Hashable, Sendable {
  package let id: FetchID
  package let piece: Piece
  package let source: Source
  /// How many of the piece's first bytes have arrived: only the rest is requested.
  package let kept: UInt64
  /// Whether another node was asked for the piece before and is late. This copy is received beside the late one; the
  /// first complete copy counts.
  package let isSpare: Bool

  /// The bytes to request from the source's file; nil if there can be no such file.
  package var range: ByteRange? {
    let (start, isStartTooLarge) = source.offset.addingReportingOverflow(piece.range.start + kept)
    let (end, isEndTooLarge) = source.offset.addingReportingOverflow(piece.range.end)
    return isStartTooLarge || isEndTooLarge ? nil : ByteRange(start: start, end: end)
  }
}

/// How the fetch of a piece ended.
package enum FetchOutcome: Sendable {
  /// Every byte has arrived, and the piece has its hash.
  case verified
  /// Every byte arrived, but the piece has another hash: the node misbehaved.
  case hashMismatch
  /// The node answered with a refusal.
  case refused(Refusal)
  /// The link broke, or the stream ended too early.
  case disconnected
  /// The bytes could not be written.
  case storageFailed(KacheryError)
}

/// The outcome of a file after every piece has arrived.
package enum CompletionOutcome: Sendable {
  /// It has its hash and is in the store.
  case admitted
  /// It could not be checked or admitted, or has another hash although each piece has its own (`hashMismatch`).
  case failed(KacheryError)
}

/// What the engine requests of its owner.
package enum TransferEffect: Sendable {
  /// Send the question to every peer that may be asked, and report them with `asked`.
  case ask(Question)
  /// Fetch a piece; reply with `received` and `fetched`.
  case fetch(PieceFetch, DownloadID)
  /// The download will fetch up to this number of bytes from the node as soon as it is prepared.
  case willFetch(UInt64, DownloadID, from: NodeID)
  case download(DownloadEffect)
  case client(ClientEffect)
  /// The load has failed: the reason and the query.
  case failed(LoadID, TransferFailure, FileQuery)
  /// A node sent wrong bytes.
  case misbehaved(NodeID, ContentHash)
}

/// Work for the store, and for the streams that fetch, on an incoming file.
package enum DownloadEffect: Sendable {
  /// Read the file's manifest from the store; reply with `manifestRead`.
  case readManifest(DownloadID, of: ContentHash, named: ContentHash)
  /// Prepare to receive the file; reply with `prepared`.
  case prepare(DownloadID, DownloadPlan)
  /// End all fetches of this download from this node.
  case abandon(DownloadID, NodeID)
  /// Every piece has arrived: check and admit the whole file; reply with `completed`.
  case complete(DownloadID)
  /// The download is no longer wanted, or has failed: release what it holds.
  case discard(DownloadID)
}

/// What a client learns about its search or load.
package enum ClientEffect: Sendable {
  case found(FindID, Source)
  case findEnded(FindID)
  /// Progress: bytes that have arrived, total bytes, and the node that sent the last ones.
  case progress(LoadID, loaded: UInt64, total: UInt64, node: NodeID?)
  /// Nothing arrives because this node serves others first; it may say how many.
  case waits(LoadID, node: NodeID, others: UInt32?)
  case loaded(LoadID)
}

/// Why a load failed.
package enum TransferFailure: Sendable {
  /// None of the `asked` peers has the file.
  case noSource(asked: Int)
  /// Every node that had the file was lost, or fell silent, before all of it had arrived.
  case lostSources(loaded: UInt64, total: UInt64, last: NodeID)
  /// The nodes' bytes are not the file.
  case corruptSources([NodeID])
  /// The manifest does not describe the file, although each of its chunks matches it.
  case falseManifest(ContentHash)
  /// The file could not be written or read back.
  case storage(KacheryError)
}
