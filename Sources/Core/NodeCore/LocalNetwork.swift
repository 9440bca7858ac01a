package import Primitives

/// The networks around this node.
package struct LocalNetwork: Hashable, Sendable {
  /// The addresses of this node's interfaces that are announced to other nodes.
  package var hosts: [String]
  /// The networks in which this node's interfaces are.
  package var networks: [IPNetwork]

  package init(hosts: [String] = [], networks: [IPNetwork] = []) {
    self.hosts = hosts
    self.networks = networks
  }
}
