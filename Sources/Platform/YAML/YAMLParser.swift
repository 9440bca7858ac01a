import CYAML
package import Primitives

/// Reads one YAML document from untrusted bytes: bounded size, depth and number of values, no aliases, no duplicate names.
package enum YAMLParser {
  /// Far above any channel's configuration.
  package static let maximumSize = 1 << 20
  /// Deeper nesting is refused, so that no document can exhaust the stack.
  package static let maximumDepth = 32
  /// More values are refused: each takes many times the memory of the two bytes that it may have. A channel of 10,000 nodes
  /// has fewer.
  package static let maximumValues = 100_000

  /// The document that `bytes` spell.
  ///
  /// - Throws: `badConfiguration` with a sentence that says where reading stopped and why; `tooLarge` over
  ///   `maximumSize` bytes.
  package static func parse(_ bytes: [UInt8]) throws(KacheryError) -> YAMLValue {
    guard bytes.count <= maximumSize else {
      throw KacheryError(.tooLarge, "The YAML document has over \(maximumSize) bytes; shorten it.")
    }
    // The parser reads from the bytes until it ends, so everything happens while they stay in place.
    let result = bytes.withUnsafeBufferPointer { buffer in
      Result { () throws(KacheryError) in
        let events = try EventReader(buffer)
        defer { events.close() }
        var builder = DocumentBuilder(events: events)
        return try builder.document()
      }
    }
    return try result.get()
  }

  /// The document that `text` spells.
  package static func parse(_ text: String) throws(KacheryError) -> YAMLValue { try parse(Array(text.utf8)) }
}
