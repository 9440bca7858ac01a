package import Primitives

extension JoinedChannel {
  /// The schemes of the addresses of channels' documents.
  private static let schemes = ["http", "https", "file"]

  /// Checks the name or address of a channel before it is joined.
  ///
  /// - Throws: `badRequest` if it is empty, would be taken for another one where it is shown, or looks like an address
  ///   but is none.
  package static func requireJoinable(_ address: ByteString) throws(KacheryError) {
    let scalars = address.text.unicodeScalars
    guard !scalars.allSatisfy(\.properties.isWhitespace) else {
      throw KacheryError(
        .badRequest, "The channel's name is empty; name a channel, or give the address of its document.")
    }
    guard scalars.first?.properties.isWhitespace == false, scalars.last?.properties.isWhitespace == false else {
      throw refusal(address, "begins or ends with white space; leave that out")
    }
    guard address.text.isPrintable else {
      throw refusal(address, "contains a line break or another control character; leave that out")
    }
    try requireAddress(address)
  }

  /// Checks what looks like an address.
  private static func requireAddress(_ address: ByteString) throws(KacheryError) {
    let (scheme, rest) = address.text.cut(at: ":")
    guard let rest, rest.begins(with: "//") || schemes.contains(scheme.lowercasedASCII) else { return }
    guard schemes.contains(String(scheme)), let place = rest.removing(prefix: "//") else {
      throw refusal(address, "is not the address of a document, which begins with http://, https:// or file://")
    }
    guard !place.utf8.contains(UInt8(ascii: " ")) else {
      throw refusal(address, "contains a space, which no address does; write %20")
    }
    let first = place.utf8.first ?? UInt8(ascii: "/")
    guard scheme == "file" ? first == UInt8(ascii: "/") && place.utf8.count > 1 : !"/?#:".utf8.contains(first) else {
      throw refusal(address, scheme == "file" ? "names no file by its absolute path" : "names no host")
    }
  }

  private static func refusal(_ address: ByteString, _ reason: String) -> KacheryError {
    KacheryError(.badRequest, "The channel '\(address)' \(reason).")
  }

  /// The address for people. One with other characters than those of ASCII is followed by its percent-encoded bytes:
  /// two that look alike are two channels.
  package static func shown(_ address: ByteString) -> String {
    let isUnmistakable = address.utf8.allSatisfy { (0x20...0x7e).contains($0) }
    return isUnmistakable ? address.text : "\(address.text.printable)  [\(encoded(address))]"
  }

  /// The address in ASCII, as `shown` writes it.
  package static func encoded(_ address: ByteString) -> ByteString { ByteString(PercentEncoding.encode(address.text)) }
}
