package import Primitives

/// How clients gain access.
package enum APIAccess: Sendable {
  /// With the token in the storage directory, which every user who can read that directory has. It changes every few
  /// minutes.
  case storageDirectory(ClientToken)
  /// With a token issued to users of other machines, in the header `Authorization: Bearer …` (RFC 6750).
  case bearer(BearerToken)

  /// Whether clients are on other machines, so that paths in their requests mean nothing here.
  var isRemote: Bool { if case .bearer = self { true } else { false } }
}

/// A token that stays the same until its file is replaced.
package struct BearerToken: Sendable {
  /// A shorter token could be guessed.
  private static let minimumLength = 16

  private let token: String

  /// - Throws: `badConfiguration` if the text is too short to be secret.
  package init(_ text: String) throws(KacheryError) {
    token = String(text.drop { $0.isWhitespace }.reversed().drop { $0.isWhitespace }.reversed())
    guard token.utf8.count >= Self.minimumLength else {
      throw KacheryError(
        .badConfiguration, "The token for the API has fewer than \(Self.minimumLength) characters; make a longer one.")
    }
  }

  /// Whether the value of an `Authorization` header carries the token. Takes the same time however much of it is right.
  func accepts(_ header: String) -> Bool {
    let (scheme, shown) = header.cut(at: " ")
    guard let shown, scheme.lowercasedASCII == "bearer" else { return false }
    return ClientToken.equal(String(Substring(shown.utf8.drop { $0 == UInt8(ascii: " ") })), token)
  }
}
