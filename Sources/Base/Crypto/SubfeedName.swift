import Crypto
import Primitives

/// The name of a subfeed: text, or any JSON.
enum SubfeedName: Hashable {
  case text(ByteString)
  case json(JSONValue)

  /// The hash that stands for the name: of the UTF-8 of text, of JSON with sorted members in ASCII, as every published
  /// client has it. Text that begins with `~` is the hash itself.
  ///
  /// - Throws: `badRequest` if no hash follows the `~`.
  func hash() throws(KacheryError) -> SubfeedHash {
    switch self {
    case .text(let name):
      guard !name.isEmpty else { throw KacheryError(.badRequest, "A subfeed's name cannot be empty.") }
      guard let digits = name.text.removing(prefix: "~") else { return try Self.hash(of: Array(name.utf8)) }
      guard let hash = SubfeedHash(hex: digits) else {
        throw KacheryError(.badRequest, "'\(name)' is not a subfeed: the ~ must be followed by 40 hexadecimal digits.")
      }
      return hash
    case .json(let value): return try Self.hash(of: value.bytes(in: .compactSorted))
    }
  }

  /// Its form in a URI.
  func inURI() throws(KacheryError) -> ByteString {
    if case .text(let text) = self { text } else { "~\(try hash())" }
  }

  private static func hash(of bytes: [UInt8]) throws(KacheryError) -> SubfeedHash {
    guard let hash = SubfeedHash(bytes: ContentHash.of(bytes).bytes) else {
      throw KacheryError(.internalError, "A SHA-1 hash does not have 20 bytes.")
    }
    return hash
  }
}
