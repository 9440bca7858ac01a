package import Primitives
package import Wire

/// A node that claims to have a file, and how to request it.
package struct Source: Hashable, Sendable {
  package let node: NodeID
  /// The channel over which it was asked and may be asked again.
  package let topic: Topic
  /// The file to request: the wanted one, or a larger one that contains it.
  package let hash: ContentHash
  /// The offset of the wanted file in that file, in bytes.
  package let offset: UInt64
  /// The node's claim about that file.
  package let file: FindAnswer.File

  package init(node: NodeID, topic: Topic, hash: ContentHash, offset: UInt64 = 0, file: FindAnswer.File) {
    self.node = node
    self.topic = topic
    self.hash = hash
    self.offset = offset
    self.file = file
  }

  /// Whether `one` is more credible about the manifest than `other`: a node with the whole file has verified it.
  static func isMoreTrusted(_ one: Source, than other: Source) -> Bool {
    one.file.isWhole == other.file.isWhole ? one.node < other.node : one.file.isWhole
  }
}
