package import Primitives

/// An endpoint at which a node may perhaps be reached.
package struct Candidate: Hashable, Sendable {
  /// How a node learned of its endpoint.
  package enum Kind: UInt8, Sendable, CaseIterable {
    /// An interface in a local network.
    case local = 1
    /// An interface with a global IPv6 address.
    case ipv6 = 2
    /// A port that the router passes on.
    case mapped = 3
    /// Another node has seen it there.
    case seen = 4
    /// The host at which it was seen, with the port on which it listens.
    case ownPort = 5
    /// The port that a sequential NAT is expected to choose next.
    case predicted = 6
    /// A valid message came from there.
    case met = 7
  }

  /// The protocol to use.
  package enum Transport: UInt8, Sendable, CaseIterable {
    case tcp = 1
    case udp = 2
  }

  package let kind: Kind
  package let transport: Transport
  package let address: IPAddress
  package let port: UInt16

  /// The candidate; nil if the port is 0.
  package init?(_ kind: Kind, over transport: Transport = .tcp, _ address: IPAddress, port: UInt16) {
    guard port > 0 else { return nil }
    self.kind = kind
    self.transport = transport
    self.address = address
    self.port = port
  }

  /// The candidate at this endpoint; nil if its host is a name.
  package init?(_ kind: Kind, at endpoint: Endpoint, over transport: Transport = .tcp) {
    guard let address = IPAddress(endpoint.host) else { return nil }
    self.init(kind, over: transport, address, port: endpoint.port)
  }

  /// Where to dial.
  package var endpoint: Endpoint? { Endpoint(host: address.description, port: port) }
}

extension ByteWriter {
  /// The family, 4 or 16 bytes, and the port.
  mutating func write(_ address: IPAddress, port: UInt16) {
    integer(UInt8(address.bytes.count == 4 ? 4 : 6))
    raw(address.bytes)
    integer(port)
  }

  mutating func write(_ candidate: Candidate) {
    integer(candidate.kind.rawValue)
    integer(candidate.transport.rawValue)
    write(candidate.address, port: candidate.port)
  }
}

extension ByteReader {
  /// An address and a port; throws `malformed` for another family, whose length is unknown.
  mutating func addressAndPort() throws(ByteReaderError) -> (IPAddress, UInt16) {
    let count: Int
    switch try byte() {
    case 4: count = 4
    case 6: count = 16
    default: throw .malformed
    }
    guard let address = IPAddress(bytes: Array(try take(count))) else { throw .malformed }
    return (address, try integer())
  }

  /// A candidate; nil if this version does not know its kind or transport.
  mutating func candidate() throws(ByteReaderError) -> Candidate? {
    let kind = Candidate.Kind(rawValue: try byte())
    let transport = Candidate.Transport(rawValue: try byte())
    let (address, port) = try addressAndPort()
    guard let kind, let transport else { return nil }
    return Candidate(kind, over: transport, address, port: port)
  }

  /// Those of the candidates that this version knows.
  mutating func candidates() throws(ByteReaderError) -> [Candidate] {
    try list(limit: WireLimits.candidates) { (reader) throws(ByteReaderError) in try reader.candidate() }
      .compactMap { $0 }
  }
}
