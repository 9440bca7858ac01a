/// The name of a feed on the node that writes it.
package enum FeedName {
  /// Checks a name before a feed gets it.
  ///
  /// - Throws: `badRequest` if the feed could not be found by it.
  package static func require(_ name: String) throws(KacheryError) {
    guard !name.isEmpty else {
      throw KacheryError(.badRequest, "A feed's name cannot be empty; leave it out for a feed without a name.")
    }
    guard !name.contains(bytesOf: "://") else {
      throw KacheryError(
        .badRequest, "'\(name)' cannot be a feed's name, because it would be taken for a URI; leave out the ://.")
    }
  }
}
