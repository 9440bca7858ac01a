extension Address {
  /// Parses the address of a bootstrap node: `HOST:PORT`, or `wss://HOST` or `ws://HOST` with or without a port.
  ///
  /// A WebSocket has no path, because that is always the same.
  package init?(bootstrap text: some StringProtocol) {
    let text = String(text)
    guard text.begins(with: "wss://") || text.begins(with: "ws://") else {
      guard let endpoint = Endpoint(text) else { return nil }
      self = .tcp(endpoint)
      return
    }
    let (scheme, rest) = text.cut(at: ":")
    let place = (rest?.removing(prefix: "//")).map { $0.removing(suffix: "/") ?? $0 } ?? ""
    guard !place.utf8.contains(UInt8(ascii: "/")) else { return nil }
    let port = scheme == "wss" ? Endpoint.httpsPort : Endpoint.httpPort
    guard let address = Address("\(scheme)://\(place)") ?? Address("\(scheme)://\(place):\(port)") else { return nil }
    self = address
  }

  /// The endpoint of a WebSocket; nil for every other transport.
  package var webSocketEndpoint: Endpoint? {
    switch self {
    case .webSocket(let endpoint), .secureWebSocket(let endpoint): endpoint
    case .tcp, .quic, .relay: nil
    }
  }
}
