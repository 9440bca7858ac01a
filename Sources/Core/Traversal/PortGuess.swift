import Primitives
import Wire

/// What one of two nodes does about a NAT that chooses a port at random for each destination. The node behind it opens
/// many ports toward the other one, which probes ports at random until it meets one of them: with 256 ports open, the
/// chance is 95 % after 753 probes, and 99.9 % after 1,737.
enum PortGuess: Hashable, Sendable {
  /// This node's NAT chooses at random: it opens ports toward the place where the other node was seen.
  case opening(Endpoint, IPAddress)
  /// The other node's NAT does: this node probes the ports of the host where it was seen.
  case probing(Endpoint, IPAddress)

  /// The first round of a session that may guess: what can work without, works in the first one.
  static let firstRound: UInt8 = 2
  /// How long the usual probes of the round have to prove a way before.
  static let pause: Duration = .milliseconds(100)
  /// How much later the probes begin than the opening of ports.
  static let headStart: Duration = .milliseconds(100)
  /// The ports that are opened: each is a descriptor, and an entry of the router.
  static let sockets = 256
  /// The most ports that are probed: each is an entry of the router.
  static let probes = 2_000
  /// How many of them at a time, and the pause between; 500 a second in all.
  static let batch = 5
  static let batchPause: Duration = .milliseconds(10)
  /// How long it takes, at that rate.
  static let time: Duration = .milliseconds(4_500)
  /// How often this is done with one node, and with one host: to the owner of a network it looks like a search for open
  /// ports.
  static let period: Duration = .seconds(600)
  /// How often it is done in that time at all, whatever other nodes claim.
  static let limit = 16
  /// Ports that NATs choose from.
  static let ports: ClosedRange<UInt16> = 1_024...65_535

  /// The host to which the datagrams go.
  var host: IPAddress {
    switch self {
    case .opening(_, let host), .probing(_, let host): host
    }
  }

  /// Where the other node was seen.
  var endpoint: Endpoint {
    switch self {
    case .opening(let endpoint, _), .probing(let endpoint, _): endpoint
    }
  }

  /// What to tell the other node.
  var part: Punch.Part {
    switch self {
    case .opening: .opens
    case .probing: .guesses
    }
  }
}

/// When ports were guessed, so that it happens rarely.
struct PortGuessLog: Sendable {
  private var entries: [Entry] = []

  private struct Entry: Sendable {
    let peer: NodeID
    let host: IPAddress
    let at: Instant
  }

  /// Whether it may happen now with this node, at this host.
  func allows(_ peer: NodeID, at host: IPAddress, now: Instant) -> Bool {
    let recent = entries.filter { now - $0.at < PortGuess.period }
    return recent.count < PortGuess.limit && !recent.contains { $0.peer == peer || $0.host == host }
  }

  /// It happens now.
  mutating func record(_ peer: NodeID, at host: IPAddress, now: Instant) {
    entries = entries.filter { now - $0.at < PortGuess.period } + [Entry(peer: peer, host: host, at: now)]
  }
}
