package import Primitives
package import Wire

/// A node that has said it has a file, and how to ask it.
package struct Source: Hashable, Sendable {
  package let node: NodeID
  /// The channel over which it was asked and may be asked again.
  package let topic: Topic
  /// The file to ask for: the wanted one, or a larger one that holds it.
  package let hash: ContentHash
  /// Where the wanted file begins in that one, in bytes.
  package let offset: UInt64
  /// What the node said of that file.
  package let file: FindAnswer.File

  package init(node: NodeID, topic: Topic, hash: ContentHash, offset: UInt64 = 0, file: FindAnswer.File) {
    self.node = node
    self.topic = topic
    self.hash = hash
    self.offset = offset
    self.file = file
  }

  /// Whether `one` rather than `other` is believed about the manifest: whoever has the whole file has seen that it is true.
  static func isMoreTrusted(_ one: Source, than other: Source) -> Bool {
    one.file.isWhole == other.file.isWhole ? one.node < other.node : one.file.isWhole
  }
}
