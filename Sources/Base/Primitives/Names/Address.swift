/// How a node can be reached: a transport, and the place that it leads to.
package enum Address: Hashable, Sendable, CustomStringConvertible {
  case tcp(Endpoint)
  case quic(Endpoint)
  case webSocket(Endpoint)
  /// A WebSocket over TLS.
  case secureWebSocket(Endpoint)
  /// Through another node, which both ends are linked to.
  case relay(NodeID)

  /// The endpoint that a TCP connection leads to; nil for every other transport.
  package var tcpEndpoint: Endpoint? { if case .tcp(let endpoint) = self { endpoint } else { nil } }

  /// The endpoint that packets of QUIC lead to; nil for every other transport.
  package var quicEndpoint: Endpoint? { if case .quic(let endpoint) = self { endpoint } else { nil } }

  /// The endpoint that it leads to; nil if it leads through another node.
  package var endpoint: Endpoint? {
    switch self {
    case .tcp(let endpoint), .quic(let endpoint), .webSocket(let endpoint), .secureWebSocket(let endpoint): endpoint
    case .relay: nil
    }
  }

  /// Whether it leads through another node.
  package var isRelayed: Bool { if case .relay = self { true } else { false } }

  /// Parses `HOST:PORT`, which means TCP, or `TRANSPORT://PLACE`.
  package init?(_ text: String) {
    guard let transport = Transport.allCases.first(where: { text.begins(with: $0.prefix) }) else {
      guard let endpoint = Endpoint(text) else { return nil }
      self = .tcp(endpoint)
      return
    }
    let place = String(text.dropFirst(transport.prefix.count))
    if transport == .relay {
      guard let node = NodeID(hex: place) else { return nil }
      self = .relay(node)
    } else {
      guard let endpoint = Endpoint(place) else { return nil }
      self.init(transport, endpoint)
    }
  }

  /// `HOST:PORT` for TCP, otherwise `TRANSPORT://PLACE`.
  package var description: String {
    switch self {
    case .tcp(let endpoint): "\(endpoint)"
    case .quic(let endpoint), .webSocket(let endpoint), .secureWebSocket(let endpoint):
      "\(transport.prefix)\(endpoint)"
    case .relay(let node): "\(transport.prefix)\(node.hex)"
    }
  }

  private enum Transport: UInt8, CaseIterable {
    case tcp = 1
    case quic = 2
    case webSocket = 3
    case secureWebSocket = 4
    case relay = 5

    var prefix: String {
      switch self {
      case .tcp: "tcp://"
      case .quic: "quic://"
      case .webSocket: "ws://"
      case .secureWebSocket: "wss://"
      case .relay: "relay://"
      }
    }
  }

  private var transport: Transport {
    switch self {
    case .tcp: .tcp
    case .quic: .quic
    case .webSocket: .webSocket
    case .secureWebSocket: .secureWebSocket
    case .relay: .relay
    }
  }

  private init?(_ transport: Transport, _ endpoint: Endpoint) {
    switch transport {
    case .tcp: self = .tcp(endpoint)
    case .quic: self = .quic(endpoint)
    case .webSocket: self = .webSocket(endpoint)
    case .secureWebSocket: self = .secureWebSocket(endpoint)
    case .relay: return nil
    }
  }
}

// MARK: Encoding

extension Address {
  /// Most bytes of an encoded address, including those of transports that this version does not know.
  package static let maximumBytes = 512

  /// The transport, then the endpoint (its host as text, its port) or the node.
  package var encoded: [UInt8] {
    var writer = ByteWriter()
    writer.integer(transport.rawValue)
    switch self {
    case .tcp(let endpoint), .quic(let endpoint), .webSocket(let endpoint), .secureWebSocket(let endpoint):
      writer.write(endpoint)
    case .relay(let node): writer.fixed(node)
    }
    return writer.bytes
  }

  /// Reads an encoded address; bytes after it are ignored.
  ///
  /// - Returns: nil if the transport is unknown.
  package static func decode(_ bytes: some Collection<UInt8>) throws(ByteReaderError) -> Address? {
    var reader = ByteReader(Array(bytes))
    guard let transport = Transport(rawValue: try reader.integer()) else { return nil }
    guard transport != .relay else { return .relay(try reader.fixed()) }
    return Address(transport, try reader.endpoint())
  }
}

extension ByteWriter {
  /// Writes the host as text, and the port.
  package mutating func write(_ endpoint: Endpoint) {
    text(endpoint.host)
    integer(endpoint.port)
  }
}

extension ByteReader {
  /// Reads what `write` has written; throws `malformed` if it is no endpoint.
  package mutating func endpoint() throws(ByteReaderError) -> Endpoint {
    let host = try text(limit: Endpoint.maximumHostLength)
    guard let endpoint = Endpoint(host: host, port: try integer()) else { throw .malformed }
    return endpoint
  }
}
