package import Primitives

/// An address of this machine from which the node announces itself in the network around that address.
package struct LocalPlace: Hashable, Sendable {
  /// The address as text, without a zone.
  package let host: String
  package let address: IPAddress
  package let network: IPNetwork
  /// The interface's name, if addresses of the network mean nothing without it: link-local IPv6 (RFC 4007).
  package let zone: ByteString?

  package init(host: String, address: IPAddress, network: IPNetwork, zone: ByteString?) {
    self.host = host
    self.address = address
    self.network = network
    self.zone = zone
  }

  /// The host, if it is in this network, in the form in which it can be dialed.
  package func qualified(_ host: String) -> String { zone.map { "\(host)%\($0)" } ?? host }
}

/// The sender of a datagram, which is in the network of one of this node's places.
package struct LocalSource: Hashable, Sendable {
  /// Where the datagram arrived.
  package let place: LocalPlace
  /// The socket that sent it; an answer goes there.
  package let socket: Endpoint
  /// The sender's address.
  let address: IPAddress

  /// The sender; nil if its address is not in the place's network. Such an address may be forged: a node must not dial
  /// it because of a datagram.
  package init?(_ socket: Endpoint, at place: LocalPlace) {
    guard let address = IPAddress(socket.host), place.network.contains(address) else { return nil }
    self.place = place
    self.socket = socket
    self.address = address
  }

  /// Where the sender listens for links.
  func listening(on port: UInt16) -> Endpoint? { Endpoint(host: place.qualified(socket.host), port: port) }

  /// Whether this node is the one of the two that dials: the one with the smaller address, or on the same machine with
  /// the smaller port.
  func isDialed(port: UInt16, fromPort own: UInt16) -> Bool {
    place.address == address
      ? own < port : place.address.bytes.lexicographicallyPrecedes(address.bytes)
  }
}
