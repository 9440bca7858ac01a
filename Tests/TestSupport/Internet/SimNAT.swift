import Primitives

/// A NAT or a firewall, in the words of RFC 4787.
package final class SimNAT: SimStation {
  /// What a mapping, or a filter, takes into account of the remote endpoint (RFC 4787, sections 4.1 and 5).
  package enum Dependence { case independent, address, addressAndPort }

  /// How outside ports are chosen.
  package enum Ports {
    /// The inner port while it is free, otherwise a random one.
    case kept
    /// Each after the last one.
    case sequence
    case random
  }

  /// What becomes of packets that no node inside has asked for.
  package enum Unasked {
    case dropped
    /// Answered by RST. Linux also remembers such a packet, but lets a SYN from inside take its place.
    case refused
    /// The same, and a datagram keeps its port from nodes inside for a while.
    case refusedAndRemembered
  }

  /// How it behaves.
  package struct Behavior {
    /// Nil: it translates nothing.
    package var mapping: Dependence? = .independent
    package var filtering: Dependence = .addressAndPort
    package var ports = Ports.kept
    package var unasked = Unasked.dropped
    /// Whether it lets a SYN in that crosses one from inside (RFC 5382, REQ-2).
    package var opensSimultaneously = true
    /// Whether a node inside reaches another one at its outside endpoint.
    package var hairpins = false
    /// The only port to which packets from inside may go; nil if all are allowed.
    package var onlyPort: UInt16?
    /// Outside ports that other machines use.
    package var taken: Set<UInt16> = []

    package init() {}
  }

  private struct Key: Hashable {
    let inner: Endpoint
    let remoteHost: String?
    let remotePort: UInt16?
  }

  /// How long a mapping lasts without a connection.
  private static let halfOpenLife: Duration = .seconds(120)
  /// How long one of datagrams lasts without datagrams from inside, and how long what was refused is remembered.
  private static let datagramLife: Duration = .seconds(30)
  /// Within the site.
  private static let localDelay: Duration = .milliseconds(1)

  private struct Mapping {
    let inner: Endpoint
    var usedAt: Instant
    var isEstablished = false
    /// The remote endpoints to which packets have gone.
    var permitted: Set<Endpoint> = []
  }

  /// What it knows about one protocol.
  private struct Table {
    var outsides: [Key: Endpoint] = [:]
    var mappings: [Endpoint: Mapping] = [:]
    var nextPort: UInt16
    /// Until when ports are kept from nodes inside.
    var occupied: [UInt16: Instant] = [:]
    let life: Duration
  }

  package let address: String
  private let behavior: Behavior
  private unowned let internet: SimInternet
  private let outer: SimNAT?
  private var inside: [String: any SimStation] = [:]
  private var tcp: Table
  private var udp = Table(nextPort: 30_000, life: datagramLife)

  /// - Parameters:
  ///   - address: its outside address; without translation, only a name.
  ///   - outer: the NAT behind which it is itself.
  package init(_ address: String, _ behavior: Behavior, in internet: SimInternet, behind outer: SimNAT? = nil) {
    self.address = address
    self.behavior = behavior
    self.internet = internet
    self.outer = outer
    tcp = Table(nextPort: UInt16(internet.random.number(20_000...50_000)), life: Self.halfOpenLife)
    if let outer { outer.attach(self, at: address) } else { internet.attach(self, at: address) }
  }

  func attach(_ station: any SimStation, at host: String) {
    inside[host] = station
    if behavior.mapping == nil { internet.attach(self, at: host) }
  }

  func dismantle() {
    for station in Array(inside.values) {
      (station as? SimHost)?.dismantle()
      (station as? SimNAT)?.dismantle()
    }
    inside = [:]
  }

  /// Forgets every mapping, as after a restart, and uses other ports from now on.
  package func restart() {
    tcp = Table(nextPort: UInt16(internet.random.number(20_000...50_000)), life: Self.halfOpenLife)
    udp = Table(nextPort: tcp.nextPort, life: Self.datagramLife)
  }

  private func change<Value>(_ packet: SimPacket, _ body: (inout Table) -> Value) -> Value {
    packet.isDatagram ? body(&udp) : body(&tcp)
  }

  // MARK: From inside

  func send(_ packet: SimPacket) {
    if let near = inside[packet.destination.host] {
      return internet.clock.after(Self.localDelay) { near.receive(packet) }
    }
    if let only = behavior.onlyPort, packet.isDatagram || packet.destination.port != only { return }
    guard let outside = change(packet, { outside(of: packet, in: &$0) }) else { return }
    let now = internet.clock.now
    change(packet) {
      $0.mappings[outside]?.permitted.insert(packet.destination)
      $0.mappings[outside]?.usedAt = now
    }
    var packet = packet
    packet.source = outside
    if packet.destination.host == address {
      guard behavior.hairpins else { return }
      return internet.clock.after(Self.localDelay) { [self] in receive(packet) }
    }
    if let outer { outer.send(packet) } else { internet.carry(packet) }
  }

  private func outside(of packet: SimPacket, in table: inout Table) -> Endpoint? {
    let remote = packet.destination
    let key: Key
    switch behavior.mapping {
    case .independent: key = Key(inner: packet.source, remoteHost: nil, remotePort: nil)
    case .address: key = Key(inner: packet.source, remoteHost: remote.host, remotePort: nil)
    case .addressAndPort: key = Key(inner: packet.source, remoteHost: remote.host, remotePort: remote.port)
    case nil:
      if table.mappings[packet.source] == nil {
        table.mappings[packet.source] = Mapping(inner: packet.source, usedAt: internet.clock.now)
      }
      return packet.source
    }
    if let known = table.outsides[key], isAlive(known, in: table) { return known }
    let port = newPort(for: packet.source.port, in: &table)
    guard let outside = Endpoint(host: address, port: port) else { return nil }
    table.outsides[key] = outside
    table.mappings[outside] = Mapping(inner: packet.source, usedAt: internet.clock.now)
    return outside
  }

  private func isAlive(_ outside: Endpoint, in table: Table) -> Bool {
    guard let mapping = table.mappings[outside] else { return false }
    return mapping.isEstablished || internet.clock.now - mapping.usedAt < table.life
  }

  private func newPort(for inner: UInt16, in table: inout Table) -> UInt16 {
    func isFree(_ port: UInt16, _ table: Table) -> Bool {
      guard let outside = Endpoint(host: address, port: port) else { return false }
      let isOccupied = table.occupied[port].map { internet.clock.now < $0 } ?? false
      return !behavior.taken.contains(port) && !isOccupied && !isAlive(outside, in: table)
    }
    switch behavior.ports {
    case .kept where isFree(inner, table): return inner
    case .sequence:
      repeat {
        table.nextPort = table.nextPort == .max ? 1_024 : table.nextPort + 1
      } while !isFree(table.nextPort, table)
      return table.nextPort
    case .kept, .random:
      while true {
        let port = UInt16(internet.random.number(1_024...65_535))
        if isFree(port, table) { return port }
      }
    }
  }

  // MARK: From outside

  func receive(_ packet: SimPacket) {
    let table = packet.isDatagram ? udp : tcp
    guard let mapping = table.mappings[packet.destination], isAlive(packet.destination, in: table),
      permits(packet.source, mapping)
    else {
      if packet.isDatagram, behavior.unasked == .refusedAndRemembered, !isAlive(packet.destination, in: table) {
        udp.occupied[packet.destination.port] = internet.clock.now + Self.datagramLife
      }
      guard behavior.unasked != .dropped, packet.kind != .rst, !packet.isDatagram else { return }
      let refusal = packet.refusal
      if let outer { outer.send(refusal) } else { internet.carry(refusal) }
      return
    }
    if packet.kind == .syn, !behavior.opensSimultaneously { return }
    if packet.kind == .synAck || packet.kind == .ack { tcp.mappings[packet.destination]?.isEstablished = true }
    var packet = packet
    packet.destination = mapping.inner
    inside[mapping.inner.host]?.receive(packet)
  }

  private func permits(_ remote: Endpoint, _ mapping: Mapping) -> Bool {
    switch behavior.filtering {
    case .independent: true
    case .address: mapping.permitted.contains { $0.host == remote.host }
    case .addressAndPort: mapping.permitted.contains(remote)
    }
  }
}
