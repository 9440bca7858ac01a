package import Crypto
package import Primitives

/// What a node is, from its start to its end.
package struct NodeCoreConfiguration: Sendable {
  /// The node's identity.
  package var key: SigningKey
  /// The name that its owner gave it.
  package var label: String
  /// Name and version of this software.
  package var software: String
  /// Whether it introduces nodes to each other.
  package var isBootstrap: Bool
  /// Bootstrap nodes besides those that the channels' documents name.
  package var bootstraps: [Endpoint]
  /// Links held at most.
  package var maximumLinks: Int
  /// Files of more bytes are fetched in the chunks of their manifest. The storage format fixes it; simulations do with
  /// smaller files.
  package var manifestThreshold = Limits.manifestThreshold

  package init(
    key: SigningKey, label: String, software: String, isBootstrap: Bool = false, bootstraps: [Endpoint] = [],
    maximumLinks: Int = 4_096
  ) {
    self.key = key
    self.label = label
    self.software = software
    self.isBootstrap = isBootstrap
    self.bootstraps = bootstraps
    self.maximumLinks = maximumLinks
  }
}

/// One point in time on both clocks: the one that only moves forward, and the one that nodes compare.
package struct Timestamps: Hashable, Sendable {
  package let instant: Instant
  package let wall: WallTime

  package init(instant: Instant, wall: WallTime) {
    self.instant = instant
    self.wall = wall
  }
}
