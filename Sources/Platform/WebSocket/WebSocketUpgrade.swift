internal import COpenSSL
import Crypto
package import Primitives

/// The opening handshake of a WebSocket (RFC 6455, section 4).
package enum WebSocketUpgrade {
  /// The path at which nodes accept WebSockets.
  package static let path = "/kachery"
  /// The subprotocol that both sides name.
  package static let subprotocol = "kachery"
  /// The most bytes in the head of a request or an answer.
  package static let maximumHeadBytes = 16 << 10

  /// A client's request.
  package struct Request: Sendable {
    package let bytes: [UInt8]
    fileprivate let key: String

    /// - Parameter host: the server's name, and its port unless that is the usual one.
    package init(host: String) {
      key = WebSocketUpgrade.base64(SecureRandom.bytes(16))
      bytes = Array(
        """
        GET \(path) HTTP/1.1\r
        Host: \(host)\r
        Upgrade: websocket\r
        Connection: Upgrade\r
        Sec-WebSocket-Key: \(key)\r
        Sec-WebSocket-Version: 13\r
        Sec-WebSocket-Protocol: \(subprotocol)\r
        User-Agent: kachery\r
        \r\n
        """.utf8)
    }

    /// Checks the server's answer.
    ///
    /// - Throws: `disconnected` or `protocolViolation` if it does not accept the request. The message says what helps.
    package func check(_ answer: HTTPHead, from server: String) throws(KacheryError) {
      let parts = answer.first.parts(separatedBy: " ")
      guard parts.count >= 2, parts[0].begins(with: "HTTP/1."), let status = UInt16(parts[1]) else {
        throw KacheryError(.protocolViolation, "\(server) is not a web server; check the address.")
      }
      guard status == 101 else { throw WebSocketUpgrade.refusal(status, by: server) }
      guard answer.has("websocket", in: "upgrade"), answer.has("upgrade", in: "connection"),
        answer["sec-websocket-accept"].map({ ByteString($0) }) == ByteString(WebSocketUpgrade.acceptance(of: key)),
        answer["sec-websocket-protocol"].map({ ByteString($0) }) == ByteString(subprotocol)
      else {
        throw KacheryError(
          .protocolViolation, "\(server) accepts WebSockets, but not those of kachery; check the address.")
      }
    }
  }

  private static func refusal(_ status: UInt16, by server: String) -> KacheryError {
    let advice =
      switch status {
      case 404, 405: "let it pass \(path) on to the node's --websocket-port."
      case 502...504: "it does not reach the node behind it, which may be down."
      case 400, 426: "let it pass on the headers Upgrade and Connection."
      default: "ask its administrators."
      }
    return KacheryError(.disconnected, "\(server) does not accept a WebSocket at \(path) (\(status)): \(advice)")
  }

  /// A server's answer to a request.
  package struct Answer: Sendable {
    package let bytes: [UInt8]
    /// Why the request is refused; nil if it is accepted.
    package let problem: KacheryError?

    package init(to request: HTTPHead) {
      do throws(KacheryError) {
        let key = try Self.key(of: request)
        problem = nil
        bytes = Array(
          """
          HTTP/1.1 101 Switching Protocols\r
          Upgrade: websocket\r
          Connection: Upgrade\r
          Sec-WebSocket-Accept: \(WebSocketUpgrade.acceptance(of: key))\r
          Sec-WebSocket-Protocol: \(subprotocol)\r
          \r\n
          """.utf8)
      } catch {
        problem = error
        bytes = Self.refusal(error)
      }
    }

    private static func key(of request: HTTPHead) throws(KacheryError) -> String {
      let parts = request.first.parts(separatedBy: " ")
      guard parts.count == 3, parts[2].begins(with: "HTTP/1.1") else {
        throw KacheryError(.badRequest, "This is no request of HTTP/1.1.")
      }
      guard parts[0] == "GET", parts[1].cut(at: "?").head == path else {
        throw KacheryError(.notFound, "Only WebSockets at \(path) are accepted here.")
      }
      // Only browsers name an origin. A page must not use its reader's machine as a node.
      guard request["origin"] == nil else { throw KacheryError(.forbidden, "Browsers are not accepted here.") }
      guard request.has("websocket", in: "upgrade"), request.has("upgrade", in: "connection"),
        request["sec-websocket-version"].map({ ByteString($0) }) == ByteString("13"),
        request.has(subprotocol, in: "sec-websocket-protocol"), let key = request["sec-websocket-key"],
        key.utf8.count == 24
      else {
        throw KacheryError(
          .badRequest, "Only WebSockets of version 13 with the subprotocol \(subprotocol) are accepted here.")
      }
      return key
    }

    private static func refusal(_ error: KacheryError) -> [UInt8] {
      let status =
        switch error.code {
        case .notFound: "404 Not Found"
        case .forbidden: "403 Forbidden"
        default: "400 Bad Request"
        }
      let body = "\(error.message)\n"
      return Array(
        """
        HTTP/1.1 \(status)\r
        Content-Type: text/plain; charset=utf-8\r
        Content-Length: \(body.utf8.count)\r
        Sec-WebSocket-Version: 13\r
        Connection: close\r
        \r
        \(body)
        """.utf8)
    }
  }

  /// What the server answers to a client's key.
  static func acceptance(of key: String) -> String {
    var digest = SHA1Digest()
    Array("\(key)258EAFA5-E914-47DA-95CA-C5AB0DC85B11".utf8).withUnsafeBytes { digest.update($0) }
    return base64(digest.finish().bytes)
  }

  private static func base64(_ bytes: [UInt8]) -> String {
    var text = [UInt8](repeating: 0, count: (bytes.count + 2) / 3 * 4 + 1)
    let count = EVP_EncodeBlock(&text, bytes, Int32(bytes.count))
    return String(decoding: text.prefix(Int(count)), as: UTF8.self)
  }
}
