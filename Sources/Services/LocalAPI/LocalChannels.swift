package import APIModel
package import Primitives

/// What the local API needs to show the joined channels, and to read their documents.
package protocol LocalChannels: Actor {
  /// The joined channels, in the order in which they were joined.
  ///
  /// - Parameter withAllMembers: whether members that are not on line are listed as well.
  func channelStates(withAllMembers: Bool) -> [ChannelState]

  /// Reads the documents of the joined channels now, and applies them.
  ///
  /// - Parameter name: the address or label of the only channel to read; nil for all.
  /// - Throws: `notFound` if no such channel is joined, and `badRequest` if it has no document.
  func reloadChannels(_ name: ByteString?) async throws(KacheryError) -> [ChannelReading]

  /// Reads the document at an address that need not be joined. Nothing changes.
  ///
  /// - Parameter onlyPublic: whether it may come from a public address only.
  func checkChannel(_ address: ByteString, onlyPublic: Bool) async -> ChannelReading
}
