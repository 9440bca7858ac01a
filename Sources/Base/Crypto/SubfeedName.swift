package import Primitives

/// The name of a subfeed: text, or any JSON.
package enum SubfeedName: Hashable, Sendable {
  case text(ByteString)
  case json(JSONValue)

  /// The subfeed in which the writer of a feed publishes the names of the others.
  package static let listing = SubfeedName.text("kachery-subfeeds")

  /// Most names that are published of one feed.
  package static let maximumPublished = 10_000
  /// Most bytes of a published name, as JSON.
  private static let maximumPublishedBytes = 1_000

  /// The name that this JSON is; nil for text that names nothing, or stands for a hash.
  package init?(json: JSONValue) {
    guard let text = json.string else {
      self = .json(json)
      return
    }
    guard !text.isEmpty, !text.begins(with: "~") else { return nil }
    self = .text(ByteString(text))
  }

  package var json: JSONValue {
    switch self {
    case .text(let text): .string(text.text)
    case .json(let value): value
    }
  }

  /// The name for people.
  package var shown: String { json.string ?? json.compact }

  /// Whether the name is worth a message, and may be published: a hash tells nothing, and the list does not name itself.
  package var isPublished: Bool {
    SubfeedName(json: json) != nil && self != Self.listing && json.compactBytes.count <= Self.maximumPublishedBytes
  }

  /// The message by which the writer publishes the name.
  package var message: JSONObject { ["type": "subfeed", "name": json] }

  /// The name that a message of the list publishes; nil if it publishes none that counts.
  package init?(message: JSONValue) {
    guard message["type"]?.string == "subfeed", let json = message["name"], let name = SubfeedName(json: json),
      name.isPublished
    else { return nil }
    self = name
  }

  /// The hash that stands for the name: of the UTF-8 of text, of JSON with sorted members in ASCII, as every published
  /// client has it. Text that begins with `~` is the hash itself.
  ///
  /// - Throws: `badRequest` if no hash follows the `~`.
  package func hash() throws(KacheryError) -> SubfeedHash {
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
  package func inURI() throws(KacheryError) -> ByteString {
    if case .text(let text) = self { text } else { "~\(try hash())" }
  }

  private static func hash(of bytes: [UInt8]) throws(KacheryError) -> SubfeedHash {
    guard let hash = SubfeedHash(bytes: ContentHash.of(bytes).bytes) else {
      throw KacheryError(.internalError, "A SHA-1 hash does not have 20 bytes.")
    }
    return hash
  }
}
