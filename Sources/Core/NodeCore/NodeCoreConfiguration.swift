package import Crypto
package import Primitives

/// The settings of a node, fixed for its lifetime.
package struct NodeCoreConfiguration: Sendable {
  /// The node's identity.
  package var key: SigningKey
  /// The name given by its owner.
  package var label: String
  /// Name and version of this software.
  package var software: String
  /// Whether it introduces nodes to each other.
  package var isBootstrap: Bool
  /// Whether it passes links on between other nodes: as a bootstrap node, or for the members of channels in which its
  /// owner offers that.
  package var relays: Bool
  /// Bootstrap nodes in addition to those that the channels' documents name.
  package var bootstraps: [Endpoint]
  /// Bootstrap nodes at addresses of WebSockets.
  package var webSocketBootstraps: [Address]
  /// Most links: 12,000 of a bootstrap node, 4,096 of another one.
  package var maximumLinks: Int
  /// Most links from one origin: a laboratory may have hundreds of nodes behind one address.
  package var maximumLinksOfOrigin: Int { max(1, maximumLinks / 4) }
  /// Whether it connects to relayed nodes directly as well, by dialing them at the moment at which they dial it.
  package var punches = true
  /// Whether it takes part in guessing the ports of NATs that choose them at random.
  package var guessesPorts = true
  /// Whether it opens links by QUIC.
  package var usesQUIC = false
  /// Whether its kernel's TCP slows down at every lost packet, so that QUIC carries more over long ways.
  package var prefersQUIC = false
  /// Larger files, in bytes, are fetched in the chunks of their manifest. Fixed by the storage format; simulations use
  /// smaller files.
  package var manifestThreshold = Limits.manifestThreshold

  package init(
    key: SigningKey, label: String, software: String, isBootstrap: Bool = false, relays: Bool = true,
    bootstraps: [Endpoint] = [], webSocketBootstraps: [Address] = [], maximumLinks: Int? = nil
  ) {
    self.key = key
    self.label = label
    self.software = software
    self.isBootstrap = isBootstrap
    self.relays = relays
    self.bootstraps = bootstraps
    self.webSocketBootstraps = webSocketBootstraps
    // All members of many channels meet at a bootstrap node; a link costs it 26 KiB.
    self.maximumLinks = maximumLinks ?? (isBootstrap ? 12_000 : 4_096)
  }
}

/// One moment on both clocks: the monotonic one, and the wall clock that nodes compare.
package struct Timestamps: Hashable, Sendable {
  package let instant: Instant
  package let wall: WallTime

  package init(instant: Instant, wall: WallTime) {
    self.instant = instant
    self.wall = wall
  }
}
