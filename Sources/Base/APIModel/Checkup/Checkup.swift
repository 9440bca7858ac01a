package import Primitives

/// What `kachery doctor` knows about a node and its network: facts only. `findings` says what they mean.
package struct Checkup: Hashable, Sendable {
  /// Nil if no daemon runs; then most of the rest is unknown.
  package var daemon: DaemonState?
  /// Nil if no daemon runs, or its connections leave through a proxy.
  package var outside: Outside?
  /// Nil if no daemon runs.
  package var mapping: RouterMapping?
  package var bootstraps: [Bootstrap] = []
  /// Nil if none is configured.
  package var proxy: Proxy?
  package var multicast: Multicast?
  package var channels: [JoinedChannelState] = []
  /// Nil if there is none.
  package var gateway: GatewayState?
  /// Nil if no other node has shown its clock.
  package var clock: Clock?
  package var disk: Disk?

  package init() {}

  /// The running daemon.
  package struct DaemonState: Hashable, Sendable {
    package var node: NodeID
    package var label: String
    package var version: String
    package var isBootstrap: Bool
    /// The TCP ports at which it listens for other nodes.
    package var ports: [UInt16]
    /// The port for WebSockets; nil if there is none.
    package var webSocketPort: UInt16?
    /// The UDP port for QUIC; nil if there is none.
    package var quicPort: UInt16?
    /// How many nodes are linked.
    package var links: Int

    package init(
      node: NodeID, label: String, version: String, isBootstrap: Bool, ports: [UInt16], webSocketPort: UInt16? = nil,
      quicPort: UInt16? = nil, links: Int
    ) {
      self.node = node
      self.label = label
      self.version = version
      self.isBootstrap = isBootstrap
      self.ports = ports
      self.webSocketPort = webSocketPort
      self.quicPort = quicPort
      self.links = links
    }
  }

  /// How the node looks from outside.
  package struct Outside: Hashable, Sendable {
    /// What one bootstrap node sees.
    package struct View: Hashable, Sendable {
      package var observer: NodeID
      package var label: String
      /// Where the node's connection to it seems to come from.
      package var endpoint: Endpoint

      package init(observer: NodeID, label: String, endpoint: Endpoint) {
        self.observer = observer
        self.label = label
        self.endpoint = endpoint
      }
    }

    /// How the node's datagrams look from there.
    package struct Datagrams: Hashable, Sendable {
      /// The UDP port from which they are sent, and at which the node accepts QUIC.
      package var port: UInt16
      /// Whether no bootstrap node has answered any.
      package var isBlocked: Bool
      package var views: [View]

      package init(port: UInt16, isBlocked: Bool, views: [View]) {
        self.port = port
        self.isBlocked = isBlocked
        self.views = views
      }
    }

    /// The port from which bootstrap nodes are dialed, and at which the node listens.
    package var port: UInt16
    /// The addresses of the machine's interfaces.
    package var hosts: [String]
    package var views: [View]
    /// Nil if the node does not use UDP.
    package var datagrams: Datagrams?
    /// Whether a node outside the local networks has ever dialed this one.
    package var wasDialedFromOutside: Bool
    package var wasDialedFromLocalNetwork: Bool

    package init(
      port: UInt16, hosts: [String], views: [View], datagrams: Datagrams? = nil, wasDialedFromOutside: Bool = false,
      wasDialedFromLocalNetwork: Bool = false
    ) {
      self.datagrams = datagrams
      self.port = port
      self.hosts = hosts
      self.views = views
      self.wasDialedFromOutside = wasDialedFromOutside
      self.wasDialedFromLocalNetwork = wasDialedFromLocalNetwork
    }
  }

  /// A bootstrap node and the attempts to reach it now.
  package struct Bootstrap: Hashable, Sendable {
    /// As it is configured.
    package var address: String
    /// The node that answers there; nil if none has.
    package var node: NodeID?
    package var label = ""
    /// The kind of the path in use to it; nil if it is not linked.
    package var linkedBy: String?
    package var attempts: [Attempt] = []

    package init(address: String) { self.address = address }

    package var isReached: Bool { linkedBy != nil || attempts.contains { $0.isReached } }
  }

  /// An attempt to reach a bootstrap node by one transport.
  package struct Attempt: Hashable, Sendable {
    /// What carries the link. Either can lead through a proxy.
    package enum Transport: String, Sendable {
      case tcp
      case webSocket
    }

    package var transport: Transport
    package var address: String
    package var isThroughProxy: Bool
    /// The round trip, if the node was reached.
    package var roundTrip: Duration?
    /// Why it was not reached; nil if it was.
    package var problem: String?

    package var isReached: Bool { problem == nil }

    package init(
      _ transport: Transport, _ address: String, isThroughProxy: Bool = false, roundTrip: Duration? = nil,
      problem: String? = nil
    ) {
      self.transport = transport
      self.address = address
      self.isThroughProxy = isThroughProxy
      self.roundTrip = roundTrip
      self.problem = problem
    }
  }

  /// The proxy through which other nodes are reached.
  package struct Proxy: Hashable, Sendable {
    /// Without user and password; empty if it cannot be used.
    package var address: String
    /// Where it is named: `--proxy`, `kachery.yaml`, or the variable of the environment.
    package var source: String
    /// The hosts that are reached without it, as they were given.
    package var exceptions: String
    /// Why it cannot be used.
    package var problem: String?

    package init(address: String, source: String, exceptions: String = "", problem: String? = nil) {
      self.address = address
      self.source = source
      self.exceptions = exceptions
      self.problem = problem
    }
  }

  /// Announcements in the local networks.
  package struct Multicast: Hashable, Sendable {
    package var isOn: Bool
    /// Why it is off.
    package var reason: String?
    /// The interfaces on which the node announces itself.
    package var interfaces: Int
    /// The addresses from which members of the node's channels were heard in the last two minutes.
    package var neighbors: Int

    package init(isOn: Bool, reason: String? = nil, interfaces: Int = 0, neighbors: Int = 0) {
      self.isOn = isOn
      self.reason = reason
      self.interfaces = interfaces
      self.neighbors = neighbors
    }
  }

  /// A joined channel and its members that are online.
  package struct JoinedChannelState: Hashable, Sendable {
    /// Whether this node is a member.
    package enum Membership: String, Sendable {
      /// Every node that knows the name is a member.
      case byName
      /// The channel's document lists this node.
      case listed
      case notListed
      /// The document could not be read yet.
      case unread
    }

    package var address: String
    package var membership: Membership
    /// Members that are linked, by the kind of the path in use.
    package var direct: Int
    package var relayed: Int
    /// Members that have announced themselves and are not linked.
    package var unlinked: Int
    /// Why one of these could not be reached; nil if it was not tried.
    package var problem: String?

    package init(
      address: String, membership: Membership, direct: Int = 0, relayed: Int = 0, unlinked: Int = 0,
      problem: String? = nil
    ) {
      self.address = address
      self.membership = membership
      self.direct = direct
      self.relayed = relayed
      self.unlinked = unlinked
      self.problem = problem
    }

    /// Members that are online, besides this node.
    package var online: Int { direct + relayed + unlinked }
  }

  /// This machine's clock beside those of other nodes.
  package struct Clock: Hashable, Sendable {
    /// How many clocks were seen.
    package var nodes: Int
    /// The largest difference, in seconds.
    package var difference: UInt64
    /// How many seconds this machine's clock is ahead; nil unless others agree that it is wrong.
    package var error: Int64?
    /// Whether a difference is so large that signed records are rejected.
    package var isRejected: Bool

    package init(nodes: Int, difference: UInt64, error: Int64? = nil, isRejected: Bool = false) {
      self.nodes = nodes
      self.difference = difference
      self.error = error
      self.isRejected = isRejected
    }
  }

  /// The storage directory.
  package struct Disk: Hashable, Sendable {
    package var directory: String
    /// Bytes that are free for this user; nil if unknown.
    package var available: UInt64?
    /// Why the directory takes no writes; nil if it does.
    package var problem: String?

    package init(directory: String, available: UInt64?, problem: String? = nil) {
      self.directory = directory
      self.available = available
      self.problem = problem
    }
  }
}
