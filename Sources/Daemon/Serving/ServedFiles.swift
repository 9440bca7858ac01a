import ContentStore
import Primitives
import Wire

/// What one stream of a peer is served from, and whether it may be.
struct ServedFiles {
  let store: ContentStore
  let metrics: NodeMetrics
  /// The file with this hash while it is being received here.
  let arriving: (ContentHash) -> IncomingFile?
  let memory: UploadMemory
  /// Why the peer is not served over the channel for which it gave this proof; nil if it is. Asked again before every block.
  let barrier: (ChannelProof) -> Refusal?
  /// Whether the file is not served for now, because this node is about to remove it.
  var isWithheld: (ContentHash) -> Bool = { _ in false }

  func refusal(over channel: ChannelProof) -> Refusal? { barrier(channel) }

  func refusal(of hash: ContentHash, over channel: ChannelProof) -> Refusal? {
    refusal(over: channel) ?? (isWithheld(hash) ? .limitReached : nil)
  }
}
