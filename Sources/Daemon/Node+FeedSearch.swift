import APIModel
import Crypto
import FeedStore
import Primitives

/// Feeds that other nodes write.
extension Node {
  func feedInfo(_ feed: FeedID, timeout: Duration) async throws(KacheryError) -> FeedInfo {
    let (isWriteable, isKnown) = try await onPool { [feeds] () throws(KacheryError) in
      (try feeds.isWriteable(feed), try feeds.isKnown(feed))
    }
    if isWriteable { return FeedInfo(isWriteable: true, node: id) }
    if isKnown { return FeedInfo(isWriteable: false, node: nil) }
    throw KacheryError(.notFound, "The feed \(feed) is not on this node.")
  }

  func submit(_ request: SubmitRequest) async throws(KacheryError) {
    let time = now.wall
    let signed = try await written {
      feeds.append([request.message], to: request.key, metaData: nil, at: time, then: $0)
    }
    noteAppended(signed.count, to: request.key)
  }
}
