package import Primitives

extension Checkup {
  /// Whether the router of the node's network leads a port to the node.
  package struct RouterMapping: Hashable, Sendable {
    /// How far that is.
    package enum State: String, Sendable, CaseIterable {
      /// The router is not asked.
      case off
      /// No bootstrap node has seen the node behind a router.
      case unneeded
      /// The machine has no default route in IPv4.
      case withoutRouter
      /// The router has yet to answer.
      case asking
      /// Nodes elsewhere can dial the node at the router's address.
      case mapped
      /// It leads a port to the node, but another router stands in front of it.
      case hidden
      /// It does not.
      case failed
    }

    package var state: State
    /// Why the router is not asked.
    package var reason: String?
    /// The protocol by which the port is mapped.
    package var method: PortMappingProtocol?
    /// Where the router leads to the node.
    package var endpoint: Endpoint?
    /// The same for UDP; nil if it leads no port of that to the node.
    package var datagramEndpoint: Endpoint?
    /// What the router has answered in each protocol, for people.
    package var problems: [String]

    package init(
      _ state: State, reason: String? = nil, method: PortMappingProtocol? = nil, endpoint: Endpoint? = nil,
      datagramEndpoint: Endpoint? = nil, problems: [String] = []
    ) {
      self.datagramEndpoint = datagramEndpoint
      self.state = state
      self.reason = reason
      self.method = method
      self.endpoint = endpoint
      self.problems = problems
    }

    /// What it means, for people; nil if there is nothing to say.
    package var text: String? {
      switch state {
      case .off: "The router is not asked to lead a port to this node: \(reason ?? "the owner does not want it")."
      case .unneeded: nil
      case .withoutRouter: "No router is known that could lead a port to this node."
      case .asking: "The router is being asked to lead a port to this node."
      case .mapped:
        "The router leads \(endpoint?.description ?? "a port")\(datagramText) to this node"
          + " (\(method?.name ?? "unknown protocol"))."
      case .hidden: "The router leads a port to this node, but another router stands in front of it."
      case .failed: "The router leads no port to this node: \(problems.joined(separator: "; "))."
      }
    }

    private var datagramText: String { datagramEndpoint.map { ", and for UDP \($0)," } ?? "" }

    /// What the owner can do about it; nil if others can dial the node, or it is not known whether they can.
    package var remedy: String? {
      switch state {
      case .failed: "turn on UPnP or NAT-PMP in the router's settings"
      case .hidden: "turn on UPnP or NAT-PMP in the outer router's settings"
      case .off, .unneeded, .withoutRouter, .asking, .mapped: nil
      }
    }
  }
}

extension PortMappingProtocol {
  /// The usual name.
  package var name: String {
    switch self {
    case .natPMP: "NAT-PMP"
    case .upnp: "UPnP"
    }
  }
}

extension Checkup.RouterMapping {
  var json: JSONValue {
    [
      "state": .string(state.rawValue), "reason": reason.map { .string($0) } ?? .null,
      "method": method.map { .string($0.name) } ?? .null, "address": endpoint.map { .string($0.description) } ?? .null,
      "udpAddress": datagramEndpoint.map { .string($0.description) } ?? .null,
      "problems": .array(problems.map { .string($0) }),
    ]
  }

  init(_ fields: JSONFields) throws(KacheryError) {
    let method = try fields.optionalString("method")
    self.init(
      State(rawValue: try fields.string("state")) ?? .unneeded, reason: try fields.optionalString("reason"),
      method: PortMappingProtocol.allCases.first { protocolName in method.map { $0 == protocolName.name } ?? false },
      endpoint: try fields.optionalString("address").flatMap { Endpoint($0) },
      datagramEndpoint: try fields.optionalString("udpAddress").flatMap { Endpoint($0) },
      problems: (fields.value("problems")?.array ?? []).compactMap(\.string))
  }
}
