package import Primitives

/// What a sender offers: the first message of the subfeed `offers`.
package struct TransferOffer: Hashable, Sendable {
  /// What is sent.
  package enum Content: Hashable, Sendable {
    /// A stored folder, whose document names the files; their number and bytes.
    case folder(ContentHash, files: UInt64, bytes: UInt64)
    /// A stored text.
    case text(ContentHash, bytes: UInt64)
  }

  /// Most bytes of a text.
  package static let maximumText: UInt64 = 1 << 20
  private static let version: UInt64 = 1

  package let content: Content
  /// The sender's machine, for the receiver to recognize.
  package let label: String

  package init(_ content: Content, label: String) {
    self.content = content
    self.label = label
  }

  package var json: JSONValue {
    var fields: JSONObject = ["version": .integer(Int64(Self.version)), "label": .string(label)]
    switch content {
    case .folder(let hash, let files, let bytes):
      fields["folder"] = .string(hash.hex)
      fields["files"] = .integer(Int64(clamping: files))
      fields["bytes"] = .integer(Int64(clamping: bytes))
    case .text(let hash, let bytes):
      fields["text"] = .string(hash.hex)
      fields["bytes"] = .integer(Int64(clamping: bytes))
    }
    return .object(fields)
  }

  /// Reads a message from another node.
  ///
  /// - Throws: `badRequest` if it is no offer, or of a later version.
  package init(json: JSONValue) throws(KacheryError) {
    guard json["version"]?.unsigned == Self.version else {
      throw KacheryError(.badRequest, "The sender uses another version of 'kachery send'; upgrade the older one.")
    }
    guard let bytes = json["bytes"]?.unsigned else { throw Self.damaged }
    label = String((json["label"]?.string ?? "").printable.prefix(bytes: 100))
    if let text = json["text"]?.string {
      guard let hash = ContentHash(hex: text), bytes <= Self.maximumText else { throw Self.damaged }
      content = .text(hash, bytes: bytes)
    } else {
      guard let hash = json["folder"]?.string.flatMap({ ContentHash(hex: $0) }), let files = json["files"]?.unsigned
      else { throw Self.damaged }
      content = .folder(hash, files: files, bytes: bytes)
    }
  }

  private static let damaged = KacheryError(.badRequest, "The sender's offer cannot be read; send again.")
}

/// How far a receiver is: a message of the subfeed `answers`.
package struct TransferAnswer: Hashable, Sendable {
  package let receiver: NodeID
  /// The receiver's machine, for the sender to recognize.
  package let label: String
  package let loaded: UInt64
  /// Whether it has everything.
  package let isDone: Bool

  package init(receiver: NodeID, label: String, loaded: UInt64, isDone: Bool) {
    self.receiver = receiver
    self.label = label
    self.loaded = loaded
    self.isDone = isDone
  }

  package var json: JSONValue {
    [
      "receiver": .string(receiver.hex), "label": .string(label), "loaded": .integer(Int64(clamping: loaded)),
      "isDone": .bool(isDone),
    ]
  }

  /// Reads a message from another node; nil if it is no answer.
  package init?(json: JSONValue) {
    guard let receiver = json["receiver"]?.string.flatMap({ NodeID(hex: $0) }), let loaded = json["loaded"]?.unsigned
    else { return nil }
    self.receiver = receiver
    self.loaded = loaded
    label = String((json["label"]?.string ?? "").printable.prefix(bytes: 100))
    isDone = json["isDone"]?.bool ?? false
  }
}
