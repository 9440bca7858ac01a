package import APIModel
package import Primitives

/// The data of the status page.
package struct NodeStatus: Sendable {
  /// A node that this one is linked to.
  package struct Peer: Sendable {
    package var node: NodeID
    package var label: String
    package var address: String
    package var isBootstrap: Bool
    /// How many seconds its clock is ahead of this machine's.
    package var clockOffset: Int64
    /// How often it sent bytes or statements that were wrong.
    package var badAnswers: Int
    /// Name and version of its software, as it states them.
    package var version: String
    /// The paths to it, the one in use first.
    package var paths: [PeerPath]

    package init(
      node: NodeID, label: String, address: String, isBootstrap: Bool, clockOffset: Int64 = 0, badAnswers: Int = 0,
      version: String = "", paths: [PeerPath] = []
    ) {
      self.node = node
      self.label = label
      self.address = address
      self.isBootstrap = isBootstrap
      self.clockOffset = clockOffset
      self.badAnswers = badAnswers
      self.version = version
      self.paths = paths
    }

    /// Its entry in the answer to `/v1/peers`.
    var json: JSONValue {
      [
        "nodeId": .string(node.hex), "label": .string(label), "address": .string(address),
        "isBootstrapNode": .bool(isBootstrap), "clockOffsetSeconds": .integer(clockOffset),
        "badAnswers": .integer(Int64(badAnswers)), "version": .string(version),
        "paths": .array(paths.map(\.json)),
      ]
    }
  }

  /// A problem between this node and another one that a person solves.
  package struct Notice: Sendable {
    /// `notBootstrap`, `noCommonChannel`, `notIntroduced` or `copy`; later daemons may know more.
    package var kind: String
    package var node: NodeID
    package var summary: String
    /// What helps, in sentences.
    package var advice: [String]

    package init(kind: String, node: NodeID, summary: String, advice: [String]) {
      self.kind = kind
      self.node = node
      self.summary = summary
      self.advice = advice
    }

    /// Its entry in the answer to `/v1/peers`.
    var json: JSONValue {
      [
        "kind": .string(kind), "nodeId": .string(node.hex), "summary": .string(summary),
        "advice": .array(advice.map { .string($0) }),
      ]
    }
  }

  package var label: String
  /// The address that other nodes use to reach this one.
  package var listening: String
  /// Seconds since the start.
  package var uptime: Int
  package var peers: [Peer]
  package var notices: [Notice] = []
  /// Whom this node introduces; nil if it is not a bootstrap node.
  package var introduces: String?
  /// Nil if there is none.
  package var gateway: GatewayState?

  package init(label: String, listening: String, uptime: Int, peers: [Peer]) {
    self.label = label
    self.listening = listening
    self.uptime = uptime
    self.peers = peers
  }
}

extension NodeStatus {
  /// The answer to `/v1/peers`.
  ///
  /// - Parameter namingChannels: whether the client may know the names of channels.
  func json(namingChannels: Bool) -> JSONValue {
    [
      "nodeLabel": .string(label), "peers": .array(peers.map(\.json)), "notices": .array(notices.map(\.json)),
      "introduces": introduces.map { .string($0) } ?? .null,
      "gateway": (namingChannels ? gateway : gateway?.withoutNames)?.json ?? .null,
    ]
  }
}
