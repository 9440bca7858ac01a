package import Primitives

// The answer to `/v1/doctor`, and the output of `kachery doctor --json`.
extension Checkup {
  package var json: JSONValue {
    let findings = findings
    return [
      "isWell": .bool(!findings.contains { $0.severity == .problem }),
      "findings": .array(findings.map(\.json)), "daemon": daemon?.json ?? .null, "outside": outside?.json ?? .null,
      "portMapping": mapping?.json ?? .null,
      "bootstraps": .array(bootstraps.map(\.json)), "proxy": proxy?.json ?? .null,
      "multicast": multicast?.json ?? .null, "channels": .array(channels.map(\.json)),
      "gateway": gateway?.json ?? .null, "clock": clock?.json ?? .null, "disk": disk?.json ?? .null,
    ]
  }

  /// Reads a daemon's answer. Its findings follow from the facts.
  package init(json: JSONValue) throws(KacheryError) {
    let fields = try JSONFields(json, named: "the daemon's answer to /v1/doctor")
    self.init()
    daemon = try fields.read("daemon") { (fields) throws(KacheryError) in try DaemonState(fields) }
    outside = try fields.read("outside") { (fields) throws(KacheryError) in try Outside(fields) }
    mapping = try fields.read("portMapping") { (fields) throws(KacheryError) in try RouterMapping(fields) }
    bootstraps = try fields.list("bootstraps") { (fields) throws(KacheryError) in try Bootstrap(fields) }
    proxy = try fields.read("proxy") { (fields) throws(KacheryError) in try Proxy(fields) }
    multicast = try fields.read("multicast") { (fields) throws(KacheryError) in try Multicast(fields) }
    channels = try fields.list("channels") { (fields) throws(KacheryError) in try JoinedChannelState(fields) }
    gateway = try GatewayState(fieldOf: json)
    clock = try fields.read("clock") { (fields) throws(KacheryError) in try Clock(fields) }
    disk = try fields.read("disk") { (fields) throws(KacheryError) in try Disk(fields) }
  }
}

extension JSONFields {
  /// The value of a field that is an object; nil if it is absent or null.
  fileprivate func read<Value>(
    _ name: String, _ body: (JSONFields) throws(KacheryError) -> Value
  ) throws(KacheryError) -> Value? {
    guard let value = value(name) else { return nil }
    return try body(try JSONFields(value, named: "the field '\(name)'"))
  }

  /// The elements of a field that is a list of objects; none if it is absent or null.
  fileprivate func list<Value>(
    _ name: String, _ body: (JSONFields) throws(KacheryError) -> Value
  ) throws(KacheryError) -> [Value] {
    var values: [Value] = []
    for element in try elements(name) {
      values.append(try body(try JSONFields(element, named: "an element of '\(name)'")))
    }
    return values
  }

  fileprivate func elements(_ name: String) throws(KacheryError) -> [JSONValue] {
    guard let value = value(name) else { return [] }
    guard let array = value.array else { throw KacheryError(.badRequest, "The field '\(name)' is not a list.") }
    return array
  }

  fileprivate func port(_ name: String) throws(KacheryError) -> UInt16? {
    try optionalUnsigned(name).map { UInt16(clamping: $0) }
  }

  fileprivate func count(_ name: String) throws(KacheryError) -> Int { Int(clamping: try unsigned(name)) }

  fileprivate func bool(_ name: String) throws(KacheryError) -> Bool { try optionalBool(name) ?? false }
}

extension Checkup.DaemonState {
  var json: JSONValue {
    [
      "nodeId": .string(node.hex), "label": .string(label), "version": .string(version),
      "isBootstrapNode": .bool(isBootstrap), "ports": .array(ports.map { .integer(Int64($0)) }),
      "webSocketPort": webSocketPort.map { .integer(Int64($0)) } ?? .null,
      "quicPort": quicPort.map { .integer(Int64($0)) } ?? .null, "linkedNodes": .integer(Int64(links)),
    ]
  }

  init(_ fields: JSONFields) throws(KacheryError) {
    self.init(
      node: try fields.fixed("nodeId"), label: try fields.string("label"), version: try fields.string("version"),
      isBootstrap: try fields.bool("isBootstrapNode"),
      ports: try fields.elements("ports").compactMap { $0.unsigned.flatMap { UInt16(exactly: $0) } },
      webSocketPort: try fields.port("webSocketPort"), quicPort: try fields.port("quicPort"),
      links: try fields.count("linkedNodes"))
  }
}

extension Checkup.Outside {
  var json: JSONValue {
    [
      "port": .integer(Int64(port)), "hosts": .array(hosts.map { .string($0) }), "nat": .string(nat.rawValue),
      "views": .array(views.map(\.json)),
      "udp": datagrams.map {
        [
          "port": .integer(Int64($0.port)), "isBlocked": .bool($0.isBlocked),
          "nat": udpNAT.map { .string($0.rawValue) } ?? .null, "views": .array($0.views.map(\.json)),
        ]
      } ?? .null, "wasDialedFromOutside": .bool(wasDialedFromOutside),
      "wasDialedFromLocalNetwork": .bool(wasDialedFromLocalNetwork),
    ]
  }

  init(_ fields: JSONFields) throws(KacheryError) {
    self.init(
      port: try fields.port("port") ?? 0, hosts: try fields.elements("hosts").compactMap(\.string),
      views: try fields.list("views") { (fields) throws(KacheryError) in try View(fields) },
      datagrams: try fields.read("udp") { (fields) throws(KacheryError) in try Datagrams(fields) },
      wasDialedFromOutside: try fields.bool("wasDialedFromOutside"),
      wasDialedFromLocalNetwork: try fields.bool("wasDialedFromLocalNetwork"))
  }
}

extension Checkup.Outside.Datagrams {
  fileprivate init(_ fields: JSONFields) throws(KacheryError) {
    self.init(
      port: try fields.port("port") ?? 0, isBlocked: try fields.bool("isBlocked"),
      views: try fields.list("views") { (fields) throws(KacheryError) in try Checkup.Outside.View(fields) })
  }
}

extension Checkup.Outside.View {
  fileprivate var json: JSONValue {
    ["nodeId": .string(observer.hex), "label": .string(label), "address": .string(endpoint.description)]
  }

  fileprivate init(_ fields: JSONFields) throws(KacheryError) {
    let text = try fields.string("address")
    guard let endpoint = Endpoint(text) else {
      throw KacheryError(.badRequest, "'\(text)' is not an address with a port.")
    }
    self.init(observer: try fields.fixed("nodeId"), label: try fields.string("label"), endpoint: endpoint)
  }
}

extension Checkup.Bootstrap {
  var json: JSONValue {
    [
      "address": .string(address), "nodeId": node.map { .string($0.hex) } ?? .null, "label": .string(label),
      "linkedBy": linkedBy.map { .string($0) } ?? .null, "isReached": .bool(isReached),
      "attempts": .array(attempts.map(\.json)),
    ]
  }

  init(_ fields: JSONFields) throws(KacheryError) {
    self.init(address: try fields.string("address"))
    node = try fields.optionalFixed("nodeId")
    label = try fields.optionalString("label") ?? ""
    linkedBy = try fields.optionalString("linkedBy")
    attempts = try fields.list("attempts") { (fields) throws(KacheryError) in try Checkup.Attempt(fields) }
  }
}

extension Checkup.Attempt {
  var json: JSONValue {
    [
      "transport": .string(transport.rawValue), "address": .string(address), "isThroughProxy": .bool(isThroughProxy),
      "isReached": .bool(isReached),
      "roundTripMilliseconds": roundTrip.map { .double($0.roundedMilliseconds) } ?? .null,
      "problem": problem.map { .string($0) } ?? .null,
    ]
  }

  fileprivate init(_ fields: JSONFields) throws(KacheryError) {
    self.init(
      Transport(rawValue: try fields.string("transport")) ?? .tcp, try fields.string("address"),
      isThroughProxy: try fields.bool("isThroughProxy"),
      roundTrip: try fields.optionalNumber("roundTripMilliseconds").map { .milliseconds(1) * $0 },
      problem: try fields.optionalString("problem"))
  }
}

extension Checkup.Proxy {
  var json: JSONValue {
    [
      "address": .string(address), "source": .string(source), "exceptions": .string(exceptions),
      "problem": problem.map { .string($0) } ?? .null,
    ]
  }

  init(_ fields: JSONFields) throws(KacheryError) {
    self.init(
      address: try fields.string("address"), source: try fields.string("source"),
      exceptions: try fields.optionalString("exceptions") ?? "", problem: try fields.optionalString("problem"))
  }
}

extension Checkup.Multicast {
  var json: JSONValue {
    [
      "isOn": .bool(isOn), "reason": reason.map { .string($0) } ?? .null, "interfaces": .integer(Int64(interfaces)),
      "neighbors": .integer(Int64(neighbors)),
    ]
  }

  init(_ fields: JSONFields) throws(KacheryError) {
    self.init(
      isOn: try fields.bool("isOn"), reason: try fields.optionalString("reason"),
      interfaces: try fields.count("interfaces"), neighbors: try fields.count("neighbors"))
  }
}

extension Checkup.JoinedChannelState {
  var json: JSONValue {
    [
      "address": .string(address), "membership": .string(membership.rawValue), "online": .integer(Int64(online)),
      "direct": .integer(Int64(direct)), "relayed": .integer(Int64(relayed)), "unlinked": .integer(Int64(unlinked)),
      "problem": problem.map { .string($0) } ?? .null,
    ]
  }

  init(_ fields: JSONFields) throws(KacheryError) {
    self.init(
      address: try fields.string("address"),
      membership: Membership(rawValue: try fields.string("membership")) ?? .byName, direct: try fields.count("direct"),
      relayed: try fields.count("relayed"), unlinked: try fields.count("unlinked"),
      problem: try fields.optionalString("problem"))
  }
}

extension Checkup.Clock {
  var json: JSONValue {
    [
      "nodes": .integer(Int64(nodes)), "largestDifferenceSeconds": .integer(Int64(clamping: difference)),
      "errorSeconds": error.map { .integer($0) } ?? .null, "isRejected": .bool(isRejected),
    ]
  }

  init(_ fields: JSONFields) throws(KacheryError) {
    self.init(
      nodes: try fields.count("nodes"), difference: try fields.unsigned("largestDifferenceSeconds"),
      error: fields.value("errorSeconds")?.integer, isRejected: try fields.bool("isRejected"))
  }
}

extension Checkup.Disk {
  var json: JSONValue {
    [
      "directory": .string(directory), "availableBytes": available.map { .integer(Int64(clamping: $0)) } ?? .null,
      "takesWrites": .bool(problem == nil), "problem": problem.map { .string($0) } ?? .null,
    ]
  }

  init(_ fields: JSONFields) throws(KacheryError) {
    self.init(
      directory: try fields.string("directory"), available: try fields.optionalUnsigned("availableBytes"),
      problem: try fields.optionalString("problem"))
  }
}
