package import Crypto
package import Primitives

extension FeedStore {
  /// The names of subfeeds that the feed's writer has published, as far as they are here, each once and in order.
  ///
  /// - Throws: `storageFailed` if the first message that publishes one is damaged.
  package func publishedNames(of feed: FeedID) throws(KacheryError) -> [SubfeedName] {
    let key = SubfeedKey(feed, try SubfeedName.listing.hash())
    var known: Set<SubfeedName> = []
    var names: [SubfeedName] = []
    for text in try messages(of: key, from: 0, count: 2 * SubfeedName.maximumPublished) {
      guard let message = try? JSONParser.parse(SignedMessage.plain(text)), let name = SubfeedName(message: message),
        names.count < SubfeedName.maximumPublished, known.insert(name).inserted
      else { continue }
      names.append(name)
    }
    return names
  }
}
