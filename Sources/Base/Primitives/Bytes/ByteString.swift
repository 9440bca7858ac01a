/// External text that is compared by its bytes: the name of a file, folder, feed, subfeed or channel, a path, a label,
/// an address.
///
/// `String` compares characters: "é" as one code point equals "e" with a combining accent. File systems, hashes, other
/// nodes and the Python clients see different bytes. Here equality, hash and order are those of the UTF-8 bytes.
package struct ByteString: Hashable, Comparable, Sendable, CustomStringConvertible, ExpressibleByStringInterpolation {
  /// The text, for APIs that take a `String`: messages, system calls, JSON. Do not compare it.
  package let text: String

  /// The bytes of this text.
  package init(_ text: some StringProtocol) { self.text = String(text) }

  package init(stringLiteral value: String) { text = value }

  package var description: String { text }

  package var utf8: String.UTF8View { text.utf8 }

  package var isEmpty: Bool { text.isEmpty }

  package static func == (one: ByteString, other: ByteString) -> Bool {
    one.withBytes { bytes in
      other.withBytes { otherBytes in bytes.count == otherBytes.count && bytes.elementsEqual(otherBytes) }
    }
  }

  package static func < (one: ByteString, other: ByteString) -> Bool {
    one.withBytes { bytes in other.withBytes { otherBytes in bytes.lexicographicallyPrecedes(otherBytes) } }
  }

  package func hash(into hasher: inout Hasher) {
    withBytes { hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
    // No UTF-8 contains this byte, so two adjacent texts hash differently from their concatenation.
    hasher.combine(UInt8.max)
  }

  private func withBytes<Answer>(_ body: (UnsafeBufferPointer<UInt8>) -> Answer) -> Answer {
    text.utf8.withContiguousStorageIfAvailable(body) ?? Array(text.utf8).withUnsafeBufferPointer(body)
  }
}
