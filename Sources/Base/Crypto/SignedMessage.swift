package import Primitives

/// A message of a feed as it is stored and sent: a JSON document with a body and the feed's signature of the body.
///
///     {"body": {"previousSignature"?: HEX, "messageNumber": n, "message": {…}, "timestamp": ms, "metaData"?: {…}},
///      "signature": HEX}
///
/// The signature covers the canonical JSON of the body (RFC 8785). Each message contains the signature of the previous
/// one, so that messages cannot be omitted or reordered.
package struct SignedMessage: Hashable, Sendable {
  /// Bytes in the largest document: a node holds whole messages in memory.
  package static let maximumBytes = 4 << 20

  /// The document.
  package let text: [UInt8]
  /// The message's position in its subfeed, from 0.
  package let number: UInt64
  /// The signature of the previous message; nil for the first.
  package let previous: Signature?
  package let signature: Signature
  /// The bytes that are signed.
  private let canonicalBody: [UInt8]

  /// Reads a document without verifying its signature.
  ///
  /// - Throws: `badRequest` if it is not a signed message.
  package init(_ text: [UInt8]) throws(KacheryError) {
    guard text.count <= Self.maximumBytes else {
      throw KacheryError(.tooLarge, "A message has at most \(Self.maximumBytes) bytes, not \(text.count).")
    }
    // The signature covers the body, so anyone could have added a third member.
    guard let document = try? JSONParser.parse(text), document.object?.members.count == 2,
      let body = document["body"], body["message"]?.object != nil,
      let number = body["messageNumber"]?.unsigned, let signature = Signature(json: document["signature"])
    else { throw Self.malformed }
    let previous = body["previousSignature"].map { Signature(json: $0) }
    // A previous signature must be valid if present; only the first message has none.
    guard previous.map({ $0 != nil }) ?? true, (previous == nil) == (number == 0) else { throw Self.malformed }
    self.text = text
    self.number = number
    self.previous = previous ?? nil
    self.signature = signature
    canonicalBody = CanonicalJSON.encode(body)
  }

  private static let malformed = KacheryError(
    .badRequest, "This is not a signed feed message: a 'body' with 'messageNumber' and 'message', and a 'signature'.")

  /// Checks that the signature of a message would cover its numbers unchanged: it covers the canonical JSON, which
  /// rounds integers beyond 2⁵³. `place` is the message's place in the client's request.
  ///
  /// - Throws: `badRequest` with the place of a number that cannot be signed unchanged.
  package static func checkNumbers(of message: JSONValue, at place: JSONPlace = .root) throws(KacheryError) {
    guard let altered = CanonicalJSON.alteredNumber(in: message, at: place, precision: .double) else { return }
    throw KacheryError(
      .badRequest,
      "The number \(altered.excerpt) at \(altered.place) cannot be signed unchanged: it would become "
        + "\(altered.canonical). Write it as a string.")
  }

  /// Signs a message. The text keeps its numbers as they were spelled.
  ///
  /// - Throws: `tooLarge` if it would exceed the size that nodes accept, `badRequest` if a number cannot be signed
  ///   unchanged.
  package init(
    _ message: JSONObject, number: UInt64, previous: Signature?, at time: WallTime, metaData: JSONObject? = nil,
    with key: SigningKey
  ) throws(KacheryError) {
    try Self.checkNumbers(of: .object(message))
    if let metaData { try Self.checkNumbers(of: .object(metaData), at: .root.member("metaData")) }
    var body: JSONObject = [:]
    body["previousSignature"] = previous.map { .string($0.hex) }
    body["messageNumber"] = .integer(Int64(clamping: number))
    body["message"] = .object(message)
    body["timestamp"] = .integer(Int64(clamping: time.milliseconds))
    body["metaData"] = metaData.map { .object($0) }
    canonicalBody = CanonicalJSON.encode(.object(body))
    guard let signature = Signature(bytes: key.sign(canonicalBody)) else {
      throw KacheryError(.internalError, "A signature is not 64 bytes long.")
    }
    // Not the canonical form: members keep their writer's order.
    text = JSONValue.object(["body": .object(body), "signature": .string(signature.hex)]).compactBytes
    guard text.count <= Self.maximumBytes else {
      throw KacheryError(
        .tooLarge,
        "A message has at most \(Self.maximumBytes) bytes as JSON, not \(text.count); store large content "
          + "as a file and send its URI.")
    }
    self.number = number
    self.previous = previous
    self.signature = signature
  }

  /// The signature and the bytes that it covers.
  package var signed: SignedBytes { SignedBytes(signature: signature.bytes, bytes: canonicalBody) }

  /// Whether the feed's key made the signature.
  package func isSigned(by feed: VerifyingKey) -> Bool { feed.verify(signature: signature.bytes, of: canonicalBody) }
}

/// An Ed25519 signature.
package struct Signature: FixedBytes {
  /// RFC 8032, section 5.1.6.
  package static let byteCount = 64

  package let bytes: [UInt8]

  package init?(bytes: some Collection<UInt8>) {
    guard bytes.count == Self.byteCount else { return nil }
    self.bytes = Array(bytes)
  }

  fileprivate init?(json: JSONValue?) {
    guard let hex = json?.string else { return nil }
    self.init(hex: hex)
  }
}

extension SubfeedHash {
  /// The hash of a subfeed's name: of its UTF-8 if it is a string, otherwise of its canonical JSON. A string that
  /// starts with `~` contains the hash itself.
  ///
  /// - Throws: `badRequest` if no hash follows the `~`.
  package init(name: JSONValue) throws(KacheryError) {
    guard let text = name.string, let digits = text.removing(prefix: "~") else {
      let bytes = name.string.map { Array($0.utf8) } ?? CanonicalJSON.encode(name)
      self = SubfeedHash(ContentHash.of(bytes))
      return
    }
    guard let hash = SubfeedHash(hex: digits) else {
      throw KacheryError(.badRequest, "The ~ of the subfeed '\(text)' must be followed by 40 hexadecimal digits.")
    }
    self = hash
  }
}
