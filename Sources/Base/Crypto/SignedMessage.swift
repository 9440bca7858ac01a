package import Primitives

/// A message of a feed as it is stored and sent: a JSON document with a body and the feed's signature of it.
///
///     {"body": {"previousSignature"?: HEX, "messageNumber": n, "message": {…}, "timestamp": ms, "metaData"?: {…}},
///      "signature": HEX}
///
/// The signature is over the canonical JSON of the body (RFC 8785). Each message names the signature of the one before
/// it, so that nobody can leave one out or change the order.
package struct SignedMessage: Hashable, Sendable {
  /// Bytes of the largest document: a node holds whole messages in memory.
  package static let maximumBytes = 4 << 20

  /// The document.
  package let text: [UInt8]
  /// The message's place in its subfeed, from 0.
  package let number: UInt64
  /// The signature of the message before it; nil for the first.
  package let previous: Signature?
  package let signature: Signature
  /// The bytes that are signed.
  private let canonicalBody: [UInt8]

  /// Reads a document, and does not check its signature.
  ///
  /// - Throws: `badRequest` if it is no signed message.
  package init(_ text: [UInt8]) throws(KacheryError) {
    guard text.count <= Self.maximumBytes else {
      throw KacheryError(.tooLarge, "A message has at most \(Self.maximumBytes) bytes, not \(text.count).")
    }
    guard let document = try? JSONParser.parse(text), let body = document["body"], body["message"]?.object != nil,
      let number = body["messageNumber"]?.unsigned, let signature = Signature(json: document["signature"])
    else { throw Self.malformed }
    let previous = body["previousSignature"].map { Signature(json: $0) }
    // A previous signature that is there must be one, and only the first message has none.
    guard previous.map({ $0 != nil }) ?? true, (previous == nil) == (number == 0) else { throw Self.malformed }
    self.text = text
    self.number = number
    self.previous = previous ?? nil
    self.signature = signature
    canonicalBody = CanonicalJSON.encode(body)
  }

  private static let malformed = KacheryError(
    .badRequest, "This is not a signed feed message: a 'body' with 'messageNumber' and 'message', and a 'signature'.")

  /// Checks that the signature of a message would be of the numbers that stand in it: it is over the canonical JSON,
  /// which rounds integers beyond 2⁵³. `place` is where the message stands in what the client sent.
  ///
  /// - Throws: `badRequest` with the place of the number that cannot be signed as it is.
  package static func checkNumbers(of message: JSONValue, at place: JSONPlace = .root) throws(KacheryError) {
    guard let altered = CanonicalJSON.alteredNumber(in: message, at: place, precision: .double) else { return }
    throw KacheryError(
      .badRequest,
      "The number \(altered.excerpt) at \(altered.place) cannot be signed as it is: it would become "
        + "\(altered.canonical). Write it as a string.")
  }

  /// Signs a message. Its numbers stay in the text as they were spelled.
  ///
  /// - Throws: `tooLarge` if it would be longer than nodes take, `badRequest` if a number cannot be signed as it is.
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
    // Not the canonical form: members stay in the order in which their writer put them.
    text = JSONValue.object(["body": .object(body), "signature": .string(signature.hex)]).compactBytes
    guard text.count <= Self.maximumBytes else {
      throw KacheryError(
        .tooLarge,
        "A message has at most \(Self.maximumBytes) bytes as JSON, not \(text.count); store what is large "
          + "as a file and send its URI.")
    }
    self.number = number
    self.previous = previous
    self.signature = signature
  }

  /// The signature and what it is of.
  package var signed: SignedBytes { SignedBytes(signature: signature.bytes, bytes: canonicalBody) }

  /// Whether the signature is the feed's.
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
  /// The hash of a subfeed's name: of its UTF-8 where it is a string, else of its canonical JSON. A string that begins
  /// with `~` is the hash itself.
  ///
  /// - Throws: `badRequest` if nothing that is a hash stands behind the `~`.
  package init(name: JSONValue) throws(KacheryError) {
    guard let text = name.string, let digits = text.removing(prefix: "~") else {
      let bytes = name.string.map { Array($0.utf8) } ?? CanonicalJSON.encode(name)
      self = SubfeedHash(ContentHash.of(bytes))
      return
    }
    guard let hash = SubfeedHash(hex: digits) else {
      throw KacheryError(.badRequest, "Behind the ~ of the subfeed '\(text)' there must be 40 hexadecimal digits.")
    }
    self = hash
  }
}
