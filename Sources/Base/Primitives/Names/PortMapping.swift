/// A protocol by which a machine asks its router to lead a port of the router's outside address to it.
package enum PortMappingProtocol: String, Hashable, Sendable, CaseIterable {
  /// NAT-PMP (RFC 6886).
  case natPMP
  /// UPnP, Internet Gateway Device.
  case upnp
}

/// What a router is asked: to lead a port to this machine, for some time.
package struct PortMappingQuestion: Hashable, Sendable {
  /// Whose ports: those of the two are independent.
  package enum Transport: Hashable, Sendable {
    case tcp
    case udp
  }

  package var method: PortMappingProtocol
  package var transport: Transport
  /// The router's address in this machine's network.
  package var gateway: IPAddress
  /// The interface by which the router is reached.
  package var interface: String
  /// The port on which this machine listens.
  package var innerPort: UInt16
  /// The port of the router's outside address.
  package var outerPort: UInt16
  /// Zero removes the mapping.
  package var lifetime: Duration
  /// Where a UPnP router has described itself before; empty if it has yet to be found.
  package var location = ""

  package init(
    _ method: PortMappingProtocol, _ transport: Transport = .tcp, gateway: IPAddress, interface: String,
    innerPort: UInt16, outerPort: UInt16, lifetime: Duration
  ) {
    self.transport = transport
    self.method = method
    self.gateway = gateway
    self.interface = interface
    self.innerPort = innerPort
    self.outerPort = outerPort
    self.lifetime = lifetime
  }
}

/// A router's answer.
package enum PortMappingAnswer: Hashable, Sendable {
  /// The mapping exists.
  ///
  /// - Parameters:
  ///   - outside: the router's outside address; nil if the router does not say.
  ///   - port: the port there, which need not be the requested one.
  ///   - location: where a UPnP router describes itself.
  case granted(outside: IPAddress?, port: UInt16, lifetime: Duration, location: String = "")
  /// Another machine has the port.
  case taken
  /// The router, or this machine, does not do it, for the reason with this code.
  case refused(code: Int)
  /// No router has answered in this protocol.
  case silent
}
