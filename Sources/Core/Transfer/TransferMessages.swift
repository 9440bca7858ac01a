package import Primitives
package import Wire

/// What a client wants found or loaded, and where it may come from.
package struct FileQuery: Hashable, Sendable {
  package let key: FileKey
  /// Only this node is asked; nil for any.
  package let node: NodeID?
  /// Only members of the channel with this topic are asked; nil for any.
  package let topic: Topic?
  /// Whether nodes shall make a manifest of a large file that has none before they answer.
  package let wantsManifest: Bool

  package init(key: FileKey, node: NodeID? = nil, topic: Topic? = nil, wantsManifest: Bool = false) {
    self.key = key
    self.node = node
    self.topic = topic
    self.wantsManifest = wantsManifest
  }
}

/// A question that is put to every peer that may be asked.
package struct Question: Hashable, Sendable {
  /// Stands in the messages that carry the question, and in their answers.
  package let id: UInt32
  package let hash: ContentHash
  package let node: NodeID?
  package let topic: Topic?
  package var wantsManifest = false
}

/// A peer to which a question was put, and the channel over which.
package struct AskedPeer: Hashable, Sendable {
  package let node: NodeID
  package let topic: Topic

  package init(node: NodeID, topic: Topic) {
    self.node = node
    self.topic = topic
  }
}

/// A piece that is to be fetched from one node. Pieces of one download from one node are asked for in the order of these
/// on one stream.
package struct PieceFetch: Hashable, Sendable {
  package let id: FetchID
  package let piece: Piece
  package let source: Source
  /// How many of the piece's first bytes are here: only the others are asked for.
  package let kept: UInt64
  /// Whether another node was asked for the piece before and is late. This copy is received beside that one; whichever is
  /// complete first counts.
  package let isSpare: Bool

  /// The bytes of the source's file to ask for; nil if there can be no such file.
  package var range: ByteRange? {
    let (start, isStartTooLarge) = source.offset.addingReportingOverflow(piece.range.start + kept)
    let (end, isEndTooLarge) = source.offset.addingReportingOverflow(piece.range.end)
    return isStartTooLarge || isEndTooLarge ? nil : ByteRange(start: start, end: end)
  }
}

/// How the fetch of a piece ended.
package enum FetchOutcome: Sendable {
  /// Every byte has come and the piece has its hash.
  case verified
  /// Every byte arrived, and the piece has another hash: the node misbehaved.
  case hashMismatch
  /// The node answered something other than the bytes.
  case refused(Refusal)
  /// The link broke, or the stream ended too early.
  case disconnected
  /// The bytes could not be written here.
  case storageFailed(KacheryError)
}

/// What became of a file when every piece of it was here.
package enum CompletionOutcome: Sendable {
  /// It has its hash and is in the store.
  case admitted
  /// It could not be checked or admitted, or has another hash although each piece has its own (`hashMismatch`).
  case failed(KacheryError)
}

/// What the engine asks of its owner.
package enum TransferEffect: Sendable {
  /// Put the question to every peer that may be asked, and report whom by `asked`.
  case ask(Question)
  /// Fetch a piece; answer by `received` and `fetched`.
  case fetch(PieceFetch, DownloadID)
  case download(DownloadEffect)
  case client(ClientEffect)
  /// The load has failed: why, and what was asked for.
  case failed(LoadID, TransferFailure, FileQuery)
  /// A node gave bytes that are not what they should be.
  case misbehaved(NodeID, ContentHash)
}

/// What the store, and the streams that fetch, shall do for a file on its way in.
package enum DownloadEffect: Sendable {
  /// Read the file's manifest from the store, and answer by `manifestRead`.
  case readManifest(DownloadID, of: ContentHash, named: ContentHash)
  /// Make ready to receive the file, and answer by `prepared`.
  case prepare(DownloadID, DownloadPlan)
  /// End every fetch of this download from this node.
  case abandon(DownloadID, NodeID)
  /// Every piece has arrived: check the whole and admit it, and answer by `completed`.
  case complete(DownloadID)
  /// The download is no longer wanted, or has failed: release what it holds.
  case discard(DownloadID)
}

/// What a client learns of its search or load.
package enum ClientEffect: Sendable {
  case found(FindID, Source)
  case findEnded(FindID)
  /// Progress: bytes that have arrived, bytes in total, and the node that sent the last ones.
  case progress(LoadID, loaded: UInt64, total: UInt64, node: NodeID?)
  /// Nothing arrives because this node serves others first; it may say how many.
  case waits(LoadID, node: NodeID, others: UInt32?)
  case loaded(LoadID)
}

/// Why a load has failed.
package enum TransferFailure: Sendable {
  /// None of the `asked` peers has the file.
  case noSource(asked: Int)
  /// Every node that had the file was lost, or fell silent, before all of it was here.
  case lostSources(loaded: UInt64, total: UInt64, last: NodeID)
  /// What the nodes gave is not the file.
  case corruptSources([NodeID])
  /// The manifest does not describe the file, though each of its chunks is as it says.
  case falseManifest(ContentHash)
  /// The file could not be written, or read back.
  case storage(KacheryError)
}
