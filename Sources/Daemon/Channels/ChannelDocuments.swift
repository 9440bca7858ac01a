import Discovery
import Primitives

/// The documents of the joined channels: what was read last, when, and why the latest attempt failed.
struct ChannelDocuments {
  private var documents: [ByteString: ChannelDocument] = [:]
  /// When a document was last read from its source.
  private var readAt: [ByteString: Instant] = [:]
  /// Why documents could not be read the last time.
  private var problems: [ByteString: String] = [:]

  subscript(address: ByteString) -> ChannelDocument? { documents[address] }

  /// When the document was last read from its source; nil if it was not since the start.
  func lastRead(_ address: ByteString) -> Instant? { readAt[address] }

  /// Why the latest attempt failed; nil if it did not.
  func problem(_ address: ByteString) -> String? { problems[address] }

  /// Forgets how reading went for all but these channels.
  mutating func keep(only addresses: Set<ByteString>) {
    problems = problems.filter { addresses.contains($0.key) }
    readAt = readAt.filter { addresses.contains($0.key) }
  }

  /// Adds copies of documents that are not known.
  mutating func add(copies: [ByteString: ChannelDocument]) { documents.merge(copies) { known, _ in known } }

  /// Records a document.
  ///
  /// - Returns: the one that was known before.
  mutating func record(_ document: ChannelDocument, at address: ByteString, _ now: Instant) -> ChannelDocument? {
    problems[address] = nil
    readAt[address] = now
    return documents.updateValue(document, forKey: address)
  }

  /// Records a failure.
  ///
  /// - Returns: whether it is another one than the last.
  mutating func record(_ problem: String, at address: ByteString) -> Bool {
    problems.updateValue(problem, forKey: address) != problem
  }
}
