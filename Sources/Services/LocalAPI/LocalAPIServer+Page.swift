import APIModel
import Crypto
import HTTP
import Page
import Primitives

/// `/` and `/page/…`: the page, which is the same for everyone. What it shows comes from other routes, which need a token.
extension LocalAPIServer {
  /// Nothing but the page's own files and this server: no inline script or style, no other origin, no frame, and no text
  /// that becomes markup (https://www.w3.org/TR/CSP3/, https://w3c.github.io/trusted-types/).
  private static let contentPolicy = [
    "default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self' blob:", "connect-src 'self'",
    "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'", "require-trusted-types-for 'script'",
    "trusted-types 'none'",
  ].joined(separator: "; ")

  /// `/`: the page, or the status page without scripts for a program that shows its token in a header, which no browser
  /// does when it opens an address.
  func showRoot(_ route: Route, _ exchange: HTTPExchange) async throws(KacheryError) {
    let tokens = ["authorization", ByteString(APIVersion.tokenHeader.lowercasedASCII)]
    guard tokens.contains(where: { exchange.head.headers[$0] != nil }) else {
      return send(PageFiles.document, exchange)
    }
    await showStatusPage(try await caller(of: exchange, route), exchange)
  }

  func sendPagePart(_ parameters: [String], _ exchange: HTTPExchange) {
    guard let part = PageFiles.parts[ByteString(parameters.first ?? "")] else {
      return refuse(exchange, status: 404, "The page has no such file.")
    }
    send(part, exchange)
  }

  private func send(_ tagged: PageFiles.Tagged, _ exchange: HTTPExchange) {
    let isKnown = exchange.head.headers["if-none-match"].map { ByteString($0) } == ByteString(tagged.tag)
    exchange.respond(
      HTTPResponse(
        status: isKnown ? 304 : 200, contentType: tagged.file.type, body: isKnown ? [] : tagged.file.bytes,
        headers: [
          ("ETag", tagged.tag),
          // Asks each time, and gets the file only if another version of the daemon has another one.
          ("Cache-Control", "no-cache"), ("Content-Security-Policy", Self.contentPolicy),
          ("X-Frame-Options", "DENY"), ("X-Content-Type-Options", "nosniff"),
          ("Cross-Origin-Resource-Policy", "same-origin"), ("Cross-Origin-Opener-Policy", "same-origin"),
          // The address of the page may contain a token, until its script has taken it out.
          ("Referrer-Policy", "no-referrer"),
        ]))
  }
}

/// The page's files with their tags.
private enum PageFiles {
  struct Tagged: Sendable {
    let file: Page.File
    let tag: String

    init(_ file: Page.File) {
      self.file = file
      tag = "\"\(ContentHash.of(file.bytes).hex)\""
    }
  }

  static let document = Tagged(Page.document)
  static let parts = Dictionary(
    Page.parts.map { (ByteString($0.name), Tagged($0)) }, uniquingKeysWith: { first, _ in first })
}
