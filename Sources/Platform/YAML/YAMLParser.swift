import CYAML
package import Primitives

/// Reads one YAML document from untrusted bytes: bounded size, depth and number of values, no aliases, no duplicate names.
package enum YAMLParser {
  /// Far larger than any channel's configuration.
  package static let maximumSize = 1 << 20
  /// Deeper nesting is rejected, so that no document can exhaust the stack.
  package static let maximumDepth = 32
  /// More values are rejected: each takes far more memory than the two bytes that it may need in the document. A
  /// channel of 10,000 nodes has fewer.
  package static let maximumValues = 100_000

  /// The document in `bytes`.
  ///
  /// - Throws: `badConfiguration` with a message that says where reading stopped and why; `tooLarge` if there are more
  ///   than `maximumSize` bytes.
  package static func parse(_ bytes: [UInt8]) throws(KacheryError) -> YAMLValue {
    guard bytes.count <= maximumSize else {
      throw KacheryError(.tooLarge, "The YAML document has more than \(maximumSize) bytes; shorten it.")
    }
    // The parser reads the bytes during the whole call, so they must stay in place.
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

  /// The document in `text`.
  package static func parse(_ text: String) throws(KacheryError) -> YAMLValue { try parse(Array(text.utf8)) }
}
