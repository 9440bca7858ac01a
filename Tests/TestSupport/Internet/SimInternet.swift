package import Primitives

/// A TCP packet without data, and the socket that sent it, or a datagram.
package struct SimPacket {
  package enum Kind: Equatable {
    case syn, synAck, ack, rst
    /// - Parameter isNear: whether it leaves its own site, and arrives at no other.
    case datagram([UInt8], isNear: Bool)
  }

  package let kind: Kind
  package var source: Endpoint
  package var destination: Endpoint
  let socket: SimSocket?

  var isDatagram: Bool { if case .datagram = kind { true } else { false } }

  /// The refusal of this packet.
  var refusal: SimPacket { SimPacket(kind: .rst, source: destination, destination: source, socket: nil) }
}

/// A machine or a NAT, to which packets can be sent.
protocol SimStation: AnyObject {
  func receive(_ packet: SimPacket)
}

/// The network between sites: each packet takes the same time from one site to another, or is lost.
package final class SimInternet {
  package let clock: SimClock
  package var random: SeededRandom
  /// From one site to another, one way.
  package var delay: Duration = .milliseconds(25)
  /// Packets of a hundred that are lost.
  package var loss = 0
  /// The hosts to and from which TCP is let through; nil if it is everywhere.
  package var tcpHosts: Set<String>?
  /// The same for datagrams.
  package var datagramHosts: Set<String>?
  /// Datagrams that left a site for each host.
  package var datagrams: [String: Int] = [:]
  /// SYNs that left a site for each host.
  package var syns: [String: Int] = [:]
  private var stations: [String: any SimStation] = [:]

  package init(clock: SimClock, seed: UInt64) {
    self.clock = clock
    random = SeededRandom(seed: seed)
  }

  func attach(_ station: any SimStation, at host: String) { stations[host] = station }

  func carry(_ packet: SimPacket) {
    if packet.kind == .syn { syns[packet.destination.host, default: 0] += 1 }
    if packet.isDatagram { datagrams[packet.destination.host, default: 0] += 1 }
    if case .datagram(_, isNear: true) = packet.kind { return }
    guard letsThrough(packet), !random.chance(loss) else { return }
    clock.after(delay) { [unowned self] in stations[packet.destination.host]?.receive(packet) }
  }

  private func letsThrough(_ packet: SimPacket) -> Bool {
    let ends = [packet.source.host, packet.destination.host]
    return (packet.isDatagram ? datagramHosts : tcpHosts).map { !$0.isDisjoint(with: ends) } ?? true
  }

  /// Releases everything: machines and their sockets refer to each other.
  package func dismantle() {
    // in any order: each is independent
    for station in stations.values {
      (station as? SimHost)?.dismantle()
      (station as? SimNAT)?.dismantle()
    }
    stations = [:]
  }
}
