import APIModel
import Discovery
import EventLoop
import Files
import HTTP
import NodeCore
import Primitives
import Process
import Traversal

/// What `kachery doctor` shows.
extension Node {
  /// How long a disk may take to answer.
  private static let diskTime: Duration = .seconds(5)
  /// Most bootstrap nodes that are dialed, and most places of each.
  private static let maximumBootstraps = 16
  private static let maximumPlaces = 4

  /// Looks at the network around this node, and dials its bootstrap nodes over every transport. Takes at most about 5 s.
  func checkUp() async -> Checkup {
    let now = driver.now
    let network = driver.read { $0.networkSummary(at: now) }
    async let bootstraps = bootstraps(of: network)
    async let disk = disk()
    var checkup = Checkup()
    checkup.daemon = Checkup.DaemonState(
      node: id, label: configuration.label, version: APIVersion.daemon, isBootstrap: configuration.isBootstrap,
      ports: listening.map(\.port), webSocketPort: listeningForWebSockets?.port, quicPort: listeningForQUIC?.port,
      links: driver.read(\.linkedCount))
    checkup.proxy = proxy
    checkup.multicast = multicast(network)
    checkup.channels = network.channels.map { $0.state(for: id) }
    checkup.gateway = gatewayState
    checkup.clock = network.clocks.state
    if checkup.proxy == nil { checkup.outside = outside(network) }
    checkup.mapping = mapping(network)
    checkup.bootstraps = await bootstraps
    checkup.disk = await disk
    return checkup
  }

  private func outside(_ network: NetworkSummary) -> Checkup.Outside? {
    guard let port = listening.first?.port else { return nil }
    return Checkup.Outside(
      port: port, hosts: NetworkInterface.all.filter { $0.address.scope != .loopback }.map(\.host),
      views: network.views.map(\.fact),
      datagrams: network.datagrams.map {
        Checkup.Outside.Datagrams(port: $0.port, isBlocked: $0.isBlocked, views: $0.views.map(\.fact))
      },
      wasDialedFromOutside: network.accepted.contains(.direct),
      wasDialedFromLocalNetwork: network.accepted.contains(.lan))
  }

  private func mapping(_ network: NetworkSummary) -> Checkup.RouterMapping {
    if let reason = configuration.reasonAgainstMapping(hasProxy: hasProxy, isAllowed: allowsMapping) {
      return Checkup.RouterMapping(.off, reason: reason)
    }
    var mapping = network.mapping.facts
    if case .mapped(_, let endpoint) = network.datagramMapping { mapping.datagramEndpoint = endpoint }
    return mapping
  }

  private func multicast(_ network: NetworkSummary) -> Checkup.Multicast {
    let reason = configuration.reasonAgainstMulticast(hasProxy: hasProxy)
    return Checkup.Multicast(
      isOn: reason == nil, reason: reason, interfaces: network.places, neighbors: network.neighbors)
  }

  private var proxy: Checkup.Proxy? {
    let rules = proxies.settings.rules
    guard rules.proxy != .none else { return nil }
    let source =
      if rules.source == .environment {
        ProxyRules.variables.first { Environment[$0].map { !$0.isEmpty } ?? false } ?? "the environment"
      } else { configuration.proxy == nil ? "kachery.yaml" : "--proxy" }
    return Checkup.Proxy(
      address: rules.addressText, source: source, exceptions: rules.exceptionText, problem: rules.problem)
  }

  // MARK: Bootstrap nodes

  private func bootstraps(of network: NetworkSummary) async -> [Checkup.Bootstrap] {
    await network.bootstraps.prefix(Self.maximumBootstraps).concurrently { bootstrap in
      var result = Checkup.Bootstrap(address: bootstrap.name)
      (result.node, result.label) = (bootstrap.node, bootstrap.label)
      result.linkedBy = bootstrap.path?.rawValue
      result.attempts = await bootstrap.places.prefix(Self.maximumPlaces).concurrently { await self.attempt(at: $0) }
      return result
    }
  }

  private func attempt(at place: Address) async -> Checkup.Attempt {
    var attempt = Checkup.Attempt(place.tcpEndpoint == nil ? .webSocket : .tcp, place.description)
    attempt.isThroughProxy = usesProxy(for: place)
    let own = id
    return await withCheckedContinuation { continuation in
      links.probe(place) { [attempt] result in
        var attempt = attempt
        switch result {
        case .success(let answer):
          attempt.roundTrip = answer.roundTrip
          if answer.peer == own { attempt.problem = "The address leads back to this node." }
        case .failure(let error): attempt.problem = error.reason(at: place)
        }
        continuation.resume(returning: attempt)
      }
    }
  }

  private func usesProxy(for place: Address) -> Bool {
    switch place {
    case .tcp(let endpoint), .quic(let endpoint), .webSocket(let endpoint), .secureWebSocket(let endpoint):
      do throws(KacheryError) { return try proxies.settings.rules.proxy(for: endpoint.host) != nil } catch {
        return true
      }
    case .relay: return false
    }
  }

  // MARK: Disk

  private func disk() async -> Checkup.Disk {
    let directory = configuration.storageDirectory
    return await withCheckedContinuation { continuation in
      // A file server that does not answer would hold the report up.
      var waiting: CheckedContinuation<Checkup.Disk, Never>? = continuation
      let report = { (disk: Checkup.Disk) in
        waiting?.resume(returning: disk)
        waiting = nil
      }
      let late = loop.after(Self.diskTime) {
        report(
          Checkup.Disk(
            directory: directory, available: nil,
            problem: "The disk did not answer within \(Self.diskTime.components.seconds) s."))
      }
      loop.work {
        Checkup.Disk(lookingAt: directory)
      } then: { disk in
        late.cancel()
        report(disk)
      }
    }
  }
}

extension ArraySlice where Element: Sendable {
  /// The results of `body` for all elements, in their order.
  fileprivate func concurrently<Value: Sendable>(_ body: @escaping @Sendable (Element) async -> Value) async -> [Value]
  {
    await withTaskGroup(of: (Int, Value).self) { group in
      for (index, element) in enumerated() { group.addTask { (index, await body(element)) } }
      var values: [(Int, Value)] = []
      for await value in group { values.append(value) }
      return values.sorted { $0.0 < $1.0 }.map(\.1)
    }
  }
}

extension Checkup.Disk {
  /// Looks for room in the storage directory, and writes a small file.
  fileprivate init(lookingAt directory: String) {
    self.init(directory: directory, available: try? FileSystem.availableBytes(at: directory))
    do throws(KacheryError) { try FileSystem.tryWriting(in: "\(directory)/kachery-node") } catch {
      problem = error.message
    }
  }
}

extension KacheryError {
  /// The message without the place, which the reader sees beside it.
  fileprivate func reason(at place: Address) -> String {
    let rest = place.tcpEndpoint.flatMap { message.removing(prefix: "Connecting to \($0) failed: ") }
    return rest.map { $0.prefix(1).uppercased() + $0.dropFirst() } ?? message
  }
}

extension NetworkSummary.View {
  fileprivate var fact: Checkup.Outside.View {
    Checkup.Outside.View(observer: observer, label: label, endpoint: endpoint)
  }
}

extension NetworkSummary.Bootstrap {
  /// As its owner gave it.
  var name: String {
    guard let place = places.first, place.tcpEndpoint == nil else { return endpoint.description }
    return place.description
  }
}

extension NetworkSummary.Members {
  func state(for node: NodeID) -> Checkup.JoinedChannelState {
    let membership: Checkup.JoinedChannelState.Membership =
      switch channel.membership {
      case .byName: .byName
      case .byDocument(nil): .unread
      case .byDocument: channel.lists(node) ? .listed : .notListed
      }
    return Checkup.JoinedChannelState(
      address: channel.address.text, membership: membership, direct: direct, relayed: relayed, unlinked: unlinked,
      problem: problem.map { "\($0.address): \($0.reason)" })
  }
}

extension MappingLease.State {
  fileprivate var facts: Checkup.RouterMapping {
    switch self {
    case .unneeded: Checkup.RouterMapping(.unneeded)
    case .withoutRouter: Checkup.RouterMapping(.withoutRouter)
    case .asking: Checkup.RouterMapping(.asking)
    case .mapped(let method, let endpoint): Checkup.RouterMapping(.mapped, method: method, endpoint: endpoint)
    case .hidden(let method, let outside):
      Checkup.RouterMapping(
        .hidden, method: method,
        problems: [outside.map { "its outside address is \($0)" } ?? "it does not say its outside address"])
    case .failed(let failures):
      Checkup.RouterMapping(
        .failed,
        problems: PortMappingProtocol.allCases.compactMap { method in
          failures[method].map { "\(method.name): \($0.text)" }
        })
    }
  }
}

extension MappingLease.Failure {
  fileprivate var text: String {
    switch self {
    case .silent: "no answer"
    case .taken: "other machines have the ports"
    // 718 is a port that another machine has; routers with this code make mappings without end only.
    case .refused(code: 725): "it makes no mappings that end, error 725"
    case .refused(let code): "it refuses, error \(code)"
    }
  }
}

extension ClockComparison {
  fileprivate var state: Checkup.Clock? {
    guard let difference = largestDifference else { return nil }
    return Checkup.Clock(nodes: count, difference: difference, error: ownError, isRejected: !strangers.isEmpty)
  }
}
