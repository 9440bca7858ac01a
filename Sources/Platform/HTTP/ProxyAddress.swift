package import Primitives

/// An HTTP proxy, and the name and password that it may ask for.
package struct ProxyAddress: Hashable, Sendable, CustomStringConvertible {
  package let endpoint: Endpoint
  /// Empty if there is none.
  package let user: String
  package let password: String

  private static let defaultPort = "1080"

  /// Parses `http://USER:PASSWORD@HOST:PORT`, in which the scheme, the user and the password may be missing. Special
  /// characters are written as `%XX`.
  ///
  /// - Throws: `badConfiguration` if it is none, or a kind of proxy that cannot be used. The message contains no password.
  package init(_ text: String) throws(KacheryError) {
    let place: String
    if text.contains(bytesOf: "://") {
      let scheme = text.cut(at: ":").head.lowercasedASCII
      guard scheme == "http" else {
        throw KacheryError(
          .badConfiguration,
          "A proxy of the kind \(scheme):// cannot be used, only an http:// proxy: name one, or none to dial directly.")
      }
      place = String(text.dropFirst(scheme.count + 3))
    } else {
      place = text
    }
    let (head, tail) = place.cut(atLast: "@")
    let credentials = tail == nil ? ""[...] : head
    let host = (tail ?? head).removing(suffix: "/") ?? (tail ?? head)
    // An IPv6 address is in brackets.
    let hasPort = (host.cut(atLast: "]").tail ?? host).utf8.contains(UInt8(ascii: ":"))
    guard let endpoint = Endpoint(hasPort ? String(host) : "\(host):\(Self.defaultPort)") else {
      throw KacheryError(.badConfiguration, "The address of the proxy is not http://HOST:PORT; correct it.")
    }
    self.endpoint = endpoint
    let (user, password) = credentials.cut(at: ":")
    self.user = PercentEncoding.decode(user)
    self.password = PercentEncoding.decode(password ?? "")
  }

  /// Without the password.
  package var description: String { "http://\(endpoint)" }
}
