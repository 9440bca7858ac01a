package import Discovery
package import Primitives
package import Traversal
import Wire

/// What a node knows about its network, for a report to its owner.
package struct NetworkSummary: Sendable {
  /// Where a bootstrap node sees this node's connection to it.
  package struct View: Hashable, Sendable {
    package let observer: NodeID
    package let label: String
    package let endpoint: Endpoint
  }

  /// How this node's datagrams leave.
  package struct Datagrams: Hashable, Sendable {
    /// The port from which they are sent.
    package let port: UInt16
    /// Whether no bootstrap node that was asked has answered.
    package let isBlocked: Bool
    package let views: [View]
  }

  /// A bootstrap node that this node wants to be linked to.
  package struct Bootstrap: Hashable, Sendable {
    /// As it is configured.
    package let endpoint: Endpoint
    /// Where it is dialed.
    package let places: [Address]
    /// The node that has answered there; nil if none has.
    package let node: NodeID?
    package let label: String
    /// The path in use to it; nil if it is not linked.
    package let path: PathKind?
  }

  /// A joined channel, and how its members that are online are reached.
  package struct Members: Hashable, Sendable {
    package let channel: Channel
    package let direct: Int
    package let relayed: Int
    /// Members that have announced themselves, and are not linked although one may request files from the other.
    package let unlinked: Int
    /// Why one of these could not be reached; nil if it was not tried.
    package let problem: DialProblem?
  }

  package let views: [View]
  /// Nil if this node does not use UDP.
  package let datagrams: Datagrams?
  /// The kinds of path by which other nodes have dialed this one since it started.
  package let accepted: Set<PathKind>
  package let bootstraps: [Bootstrap]
  /// In the order of their addresses.
  package let channels: [Members]
  /// The places from which this node announces itself in the local networks.
  package let places: Int
  /// The hosts of members that were heard there lately.
  package let neighbors: Int
  package let clocks: ClockComparison
  /// Whether the router leads a port to this node.
  package let mapping: MappingLease.State
  /// The same for its UDP port.
  package let datagramMapping: MappingLease.State
}

extension NodeCore {
  /// What the node knows about its network now.
  package func networkSummary(at now: Timestamps) -> NetworkSummary {
    NetworkSummary(
      views: views, datagrams: datagrams, accepted: peers.acceptedPaths, bootstraps: bootstrapStates,
      channels: membership.inOrder.sorted { $0.address < $1.address }.map { members(of: $0, at: now) },
      places: announcer.placeCount, neighbors: announcer.neighbors(at: now.instant), clocks: reputation.clocks,
      mapping: mapping.tcp.state, datagramMapping: mapping.udp.state)
  }

  /// What the linked bootstrap nodes have said. A proxy's or a relay's address is not this node's.
  private var views: [NetworkSummary.View] {
    peers.linked.filter(\.isBootstrap).compactMap { peer in
      let seen = peers.activeLinks(to: peer.node).compactMap { peers[$0] }.filter { link in
        link.facts.dial != nil && link.facts.path.showsAddresses
      }.compactMap { $0.hello?.observed?.tcpEndpoint }.last
      return seen.map { NetworkSummary.View(observer: peer.node, label: peer.hello?.label ?? "", endpoint: $0) }
    }
  }

  private var datagrams: NetworkSummary.Datagrams? {
    introductions.quicPort.map { port in
      let views = introductions.outsideUDP.views.map { view in
        NetworkSummary.View(
          observer: view.observer, label: peers.peer(of: view.observer)?.hello?.label ?? "", endpoint: view.endpoint)
      }
      return NetworkSummary.Datagrams(port: port, isBlocked: udpObservers.isBlocked, views: views)
    }
  }

  private var bootstrapStates: [NetworkSummary.Bootstrap] {
    dials.wanted.compactMap { target in
      guard case .bootstrap(let endpoint) = target else { return nil }
      let node = introductions.bootstrapNode(at: endpoint)
      let peer = node.flatMap { peers.peer(of: $0) }
      return NetworkSummary.Bootstrap(
        endpoint: endpoint, places: places(ofBootstrap: endpoint), node: node, label: peer?.hello?.label ?? "",
        path: peer?.facts.path)
    }
  }

  private func members(of channel: Channel, at now: Timestamps) -> NetworkSummary.Members {
    let linked = peers.linked.filter { $0.proven.contains(channel.topic) }
    let relayed = linked.count { $0.facts.path == .relayed }
    let unlinked = introductions.members(of: channel.topic, except: node, at: now.wall).map(\.node).filter { other in
      !peers.isLinked(other) && !reputation.hasDeparted(other) && channel.connects(node, other)
    }
    return NetworkSummary.Members(
      channel: channel, direct: linked.count - relayed, relayed: relayed, unlinked: unlinked.count,
      problem: unlinked.lazy.compactMap { dials.problem(with: .member($0)) }.first)
  }
}
