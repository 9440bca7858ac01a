package import Primitives

/// Keeps a port of the router leading to this node, so that nodes elsewhere can dial it.
///
///     idle ──seen behind a router──▶ asking NAT-PMP, then UPnP ──none maps──▶ resting
///                                      │ granted       ▲                        │ 10 min … 2 h, or
///                                      ▼               │ half of the lifetime   │ another network
///                                     held ────────────┘ (still held meanwhile) ▼ asking
package struct MappingLease: Sendable {
  /// How long a mapping is requested for (RFC 6886, section 3.3). Never 0: to UPnP that means without end, and after a
  /// crash the port would stay open.
  package static let lifetime: Duration = .seconds(7_200)
  /// Most further ports that are requested if another machine has the node's own.
  package static let otherPorts = 3
  /// A changed view is no reason to ask more often than this.
  package static let spacing: Duration = .seconds(60)
  /// After a renewal has failed, it is tried again after this time while the mapping lasts.
  static let retry: Duration = .seconds(300)
  static let shortestRest: Duration = .seconds(600)
  static let longestRest: Duration = .seconds(7_200)
  /// A router may grant less, but is not asked more often than each half of this.
  static let shortestLifetime: Duration = .seconds(120)

  /// The router, and this machine's address in its network.
  package struct Router: Hashable, Sendable {
    package let gateway: IPAddress
    package let interface: String
    package let own: IPAddress

    package init(gateway: IPAddress, interface: String, own: IPAddress) {
      self.gateway = gateway
      self.interface = interface
      self.own = own
    }
  }

  /// Why a router has not mapped the port.
  package enum Failure: Hashable, Sendable {
    case silent
    case refused(code: Int)
    case taken
  }

  /// What has become of it, for the node's owner.
  package enum State: Hashable, Sendable {
    /// No other node has seen this one behind a router.
    case unneeded
    /// It is, but this machine has no IPv4 router.
    case withoutRouter
    case asking
    case mapped(PortMappingProtocol, Endpoint)
    /// The router's outside address is not one at which other nodes see this one, or it names none: another router
    /// stands in front of it.
    case hidden(PortMappingProtocol, outside: IPAddress?)
    case failed([PortMappingProtocol: Failure])
  }

  /// What the lease requests.
  package struct Action: Hashable, Sendable {
    /// Reply with `answered` and this number.
    package let number: UInt64
    package let question: PortMappingQuestion
  }

  /// Where a router answers.
  struct Place: Hashable, Sendable {
    let method: PortMappingProtocol
    /// Of the description of a UPnP router; else empty.
    let location: String
  }

  private struct Mapping: Sendable {
    let method: PortMappingProtocol
    let port: UInt16
    let outside: IPAddress?
    let location: String
    let expires: Instant
  }

  private let transport: PortMappingQuestion.Transport
  private var methods: [PortMappingProtocol] = []
  private var router: Router?
  private var port: UInt16?
  /// The hosts at which other nodes see this one and that are not its own.
  private var seen: Set<IPAddress> = []
  private var wasSeen = false
  private var mapping: Mapping?
  /// Where a router was found for another lease.
  var knownPlace: Place?
  private var asked: Action?
  private var askedAt: Instant?
  private var lastNumber: UInt64 = 0
  private var triedPorts = 0
  private var failures: [PortMappingProtocol: Failure] = [:]
  private var rests = 0
  /// When to ask next; nil if nothing is to be asked, or an answer is awaited.
  private var askAt: Instant?
  private var random: any RandomNumberGenerator & Sendable

  package init(
    of transport: PortMappingQuestion.Transport = .tcp, random: some RandomNumberGenerator & Sendable
  ) {
    self.transport = transport
    self.random = random
  }

  // MARK: Results

  /// Where nodes elsewhere can dial this one; nil if no mapping leads here from an address of theirs.
  package var endpoint: Endpoint? {
    guard let mapping, let outside = mapping.outside else { return nil }
    switch outside.scope {
    case .global: break
    // It may be that of another network with the same addresses.
    case .site: guard seen.contains(outside) else { return nil }
    case .loopback, .unusable: return nil
    }
    return Endpoint(host: outside.description, port: mapping.port)
  }

  /// The router that has mapped the port; nil if none has.
  var place: Place? { mapping.map { Place(method: $0.method, location: $0.location) } }

  package var state: State {
    guard wasSeen else { return .unneeded }
    guard router != nil else { return .withoutRouter }
    if let mapping {
      return endpoint.map { .mapped(mapping.method, $0) } ?? .hidden(mapping.method, outside: mapping.outside)
    }
    return asked == nil && !failures.isEmpty ? .failed(failures) : .asking
  }

  /// What removes the mapping; nil if there is none.
  package var removal: PortMappingQuestion? {
    guard let mapping, let router, let port else { return nil }
    var question = question(mapping.method, router, port, outerPort: mapping.port)
    question.lifetime = .zero
    return question
  }

  // MARK: Inputs

  /// Sets the protocols that may be used, in the order in which they are tried; none to keep no port. What is mapped by
  /// another one is removed.
  package mutating func setMethods(_ new: [PortMappingProtocol], at now: Instant) -> [Action] {
    guard new != methods else { return [] }
    methods = new
    var actions: [Action] = []
    if let removal, !new.contains(removal.method) {
      lastNumber += 1
      actions.append(Action(number: lastNumber, question: removal))
      mapping = nil
    }
    restart(at: now)
    return actions + wake(at: now)
  }

  /// Sets the router and the port on which this node listens; nil if there is none.
  package mutating func setRouter(_ router: Router?, port: UInt16?, at now: Instant) -> [Action] {
    guard router != self.router || port != self.port else { return [] }
    self.router = router
    self.port = port
    // What another router has mapped leads elsewhere, or nowhere, from now on.
    mapping = nil
    seen = seen.filter { $0 != router?.own }
    wasSeen = !seen.isEmpty
    restart(at: now)
    return wake(at: now)
  }

  /// Sets the hosts at which other nodes see this one, except those that it has itself.
  ///
  /// A router that was restarted has lost its mappings, and may have another outside address. The node's links end then,
  /// so it is seen no more for a while.
  package mutating func setSeen(_ hosts: [IPAddress], at now: Instant) -> [Action] {
    let new = Set(hosts.filter { $0.bytes.count == 4 && $0 != router?.own })
    guard new != seen else { return [] }
    let isFirst = !wasSeen
    seen = new
    guard !new.isEmpty else { return [] }
    wasSeen = true
    guard isActive, asked == nil else { return [] }
    let soonest = isFirst ? now : max(now, (askedAt ?? now) + Self.spacing)
    askAt = min(askAt ?? soonest, soonest)
    return wake(at: now)
  }

  /// The answer to a question.
  package mutating func answered(_ number: UInt64, _ answer: PortMappingAnswer, at now: Instant) -> [Action] {
    guard let asked, asked.number == number else { return [] }
    self.asked = nil
    let method = asked.question.method
    switch answer {
    case .granted(let outside, let port, let lifetime, let location) where port > 0 && lifetime > .zero:
      let granted = max(min(lifetime, Self.lifetime), Self.shortestLifetime)
      mapping = Mapping(method: method, port: port, outside: outside, location: location, expires: now + granted)
      (failures, rests) = ([:], 0)
      askAt = now + granted / 2
    case .granted: failed(method, .refused(code: 0), at: now)
    case .taken:
      mapping = nil
      guard triedPorts < Self.otherPorts else {
        failed(method, .taken, at: now)
        break
      }
      triedPorts += 1
      return ask(method, outerPort: UInt16.random(in: Self.furtherPorts, using: &random), at: now)
    case .refused(let code): failed(method, .refused(code: code), at: now)
    case .silent: failed(method, .silent, at: now)
    }
    return wake(at: now)
  }

  /// The ports that are tried if the node's own is taken: free for any use (RFC 6335, section 6).
  private static let furtherPorts: ClosedRange<UInt16> = 49_152...65_535

  private mutating func failed(_ method: PortMappingProtocol, _ failure: Failure, at now: Instant) {
    if let mapping {
      askAt = min(now + Self.retry, mapping.expires)
      return
    }
    failures[method] = failure
    guard methods.contains(where: { failures[$0] == nil }) else {
      askAt = now + min(Self.shortestRest * (1 << rests), Self.longestRest)
      rests = min(rests + 1, 8)
      return
    }
    triedPorts = 0
    askAt = now
  }

  // MARK: Time

  private var isActive: Bool { wasSeen && router != nil && port != nil && !methods.isEmpty }

  /// When to call `wake` next.
  package var wakeAt: Instant? { [asked == nil ? askAt : nil, mapping?.expires].compactMap { $0 }.min() }

  /// Asks if that is due.
  package mutating func wake(at now: Instant) -> [Action] {
    if let mapping, mapping.expires <= now {
      self.mapping = nil
      if asked == nil { restart(at: now) }
    }
    guard asked == nil, isActive, let due = askAt, due <= now, let port else { return [] }
    if let mapping { return ask(mapping.method, outerPort: mapping.port, at: now) }
    let method: PortMappingProtocol
    if let next = methods.first(where: { failures[$0] == nil }) {
      method = next
    } else {
      // A rest is over.
      failures = [:]
      triedPorts = 0
      method = methods[0]
    }
    return ask(method, outerPort: port, at: now)
  }

  private mutating func restart(at now: Instant) {
    asked = nil
    (failures, rests, triedPorts) = ([:], 0, 0)
    askAt = isActive ? now : nil
  }

  private mutating func ask(_ method: PortMappingProtocol, outerPort: UInt16, at now: Instant) -> [Action] {
    guard let router, let port else { return [] }
    lastNumber += 1
    let action = Action(number: lastNumber, question: question(method, router, port, outerPort: outerPort))
    (asked, askedAt, askAt) = (action, now, nil)
    return [action]
  }

  private func question(
    _ method: PortMappingProtocol, _ router: Router, _ port: UInt16, outerPort: UInt16
  ) -> PortMappingQuestion {
    var question = PortMappingQuestion(
      method, transport, gateway: router.gateway, interface: router.interface, innerPort: port, outerPort: outerPort,
      lifetime: Self.lifetime)
    if let mapping, mapping.method == method {
      question.location = mapping.location
    } else if let place = knownPlace, place.method == method {
      question.location = place.location
    }
    return question
  }
}
