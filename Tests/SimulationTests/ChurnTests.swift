import Crypto
import Discovery
import NodeCore
import Primitives
import TestSupport
import Testing
import Transfer

/// Nodes behind edges of all kinds, in channels of eight, which end and return all the time: 24 of them, and 300 in
/// `make simulate`.
@Suite struct ChurnTests {
  private static let isLong = SimulatedRuns.count() > SimulatedRuns.usual

  @Test(arguments: SimulatedRuns.parts(of: 1, usually: 1).prefix(4)) func everybodyStaysConnected(
    seeds: Range<UInt64>
  ) throws {
    for seed in seeds {
      let crowd = try Crowd(seed: seed, channels: Self.isLong ? 37 : 3)
      defer { crowd.network.dismantle() }
      crowd.play(for: .seconds(Self.isLong ? 120 : 60))
      #expect(crowd.complaints == [], "seed \(seed)")
      // Enough was calm for long enough to be judged.
      #expect(crowd.checks > 1_000 && crowd.judgedLoads > 3, "\(crowd.checks), \(crowd.judgedLoads)")
    }
  }
}

/// The nodes, what happens to them, and what must hold meanwhile.
private final class Crowd {
  /// The time within which nodes that can reach each other are connected, whatever happened before.
  private static let patience: Duration = .seconds(20)
  private static let channelSize = 8

  private struct RunningLoad {
    let node: SimNode
    let holders: [SimNode]
    let load: LoadID
    let started: Instant
  }

  let network: SimNetwork
  private(set) var complaints: [String] = []
  /// How many times a pair was checked.
  private(set) var checks = 0
  private(set) var judgedLoads = 0
  private let relays: [SimNode]
  private let channels: [(members: [SimNode], channel: Channel)]
  private let kinds: [NodeID: NATKind]
  /// When something last happened to a node.
  private var disturbed: [NodeID: Instant] = [:]
  private var loads: [RunningLoad] = []

  init(seed: UInt64, channels count: Int) throws {
    let network = SimNetwork(seed: seed)
    self.network = network
    let relays = try (0..<4).map {
      try network.addNode("relay \($0)", isBootstrap: true, on: SimHost("192.0.2.\($0 + 1)", in: network.internet))
    }
    self.relays = relays
    var kinds: [NodeID: NATKind] = [:]
    var channels: [([SimNode], Channel)] = []
    for number in 0..<count {
      let members = try (0..<Self.channelSize).map { place in
        let index = number * Self.channelSize + place
        let kind = NATKind.allCases[network.random.number(0...NATKind.allCases.count - 1)]
        let node = try network.addNode(
          "\(kind) \(index)", bootstraps: relays, on: kind.host(index + 1, port: 15_351, in: network.internet))
        kinds[node.id] = kind
        return node
      }
      channels.append((members, Channel(address: "channel \(number)", membership: .byName)))
    }
    (self.kinds, self.channels) = (kinds, channels.map { (members: $0.0, channel: $0.1) })
    for relay in relays { relay.start([]) }
    for (members, channel) in self.channels {
      for member in members { member.start([channel]) }
    }
  }

  private var now: Instant { network.clock.now }

  /// Plays events for this long, lets everything settle, and judges the result.
  func play(for time: Duration) {
    _ = network.clock.run(for: Self.patience)
    let end = now + time
    while now < end {
      for (members, channel) in channels where network.random.chance(13) { happen(to: members, of: channel) }
      _ = network.clock.run(for: .seconds(1))
      check()
      loads.removeAll { isJudged($0) }
    }
    _ = network.clock.run(for: .seconds(100))
    check()
    loads.removeAll { isJudged($0) }
    judgePaths(minutes: Int(time / .seconds(60)) + 4)
    complaints += loads.map { "a load of \($0.node.name) hangs" } + network.complaints
  }

  private func happen(to members: [SimNode], of channel: Channel) {
    let node = members[network.random.number(0...members.count - 1)]
    switch network.random.number(0...19) {
    case 0: end(relays[network.random.number(0...relays.count - 1)], [])
    case 1...9: end(node, [channel])
    case 10...12: cutALink(of: node, to: members[network.random.number(0...members.count - 1)])
    default: load(node, from: members)
    }
  }

  /// The process ends, and another begins after a while.
  private func end(_ node: SimNode, _ channels: [Channel]) {
    // One relay at a time.
    let isRelay = relays.contains { $0 === node }
    guard node.isRunning, !isRelay || relays.allSatisfy(\.isRunning) else { return }
    node.kill()
    disturb(node, for: .seconds(network.random.number(1...60))) { $0.restart(node, channels) }
  }

  private func disturb(_ node: SimNode, for time: Duration, _ recover: @escaping (SimNetwork) -> Void) {
    disturbed[node.id] = now + time
    network.clock.after(time) { [network] in recover(network) }
  }

  private func cutALink(of one: SimNode, to other: SimNode) {
    guard let link = one.preferredLink(to: other) else { return }
    for node in [one, other] { disturbed[node.id] = max(disturbed[node.id] ?? now, now) }
    link.cut()
  }

  private func load(_ node: SimNode, from members: [SimNode]) {
    guard node.isRunning else { return }
    let bytes = network.random.bytes(5_000)
    let holders = Array(members.filter { $0 !== node }.prefix(3))
    for holder in holders { holder.store.store(bytes, chunkSize: 1_000) }
    loads.append(
      RunningLoad(node: node, holders: holders, load: node.load(FileKey(hash: .of(bytes))), started: now))
  }

  // MARK: What must hold

  /// Whether nothing has happened to the node for long enough before this moment, or since.
  private func isCalm(_ node: SimNode, at time: Instant) -> Bool {
    node.isRunning && (disturbed[node.id].map { $0 + Self.patience < time } ?? true)
  }

  private func check() {
    guard relays.count(where: { isCalm($0, at: now) }) >= 2 else { return }
    for (members, _) in channels {
      for (place, one) in members.enumerated() where isCalm(one, at: now) {
        for other in members[(place + 1)...] where isCalm(other, at: now) {
          checks += 1
          if one.preferredLink(to: other) == nil {
            complaints.append("\(one.name) and \(other.name) have no link at \(now)")
          }
        }
      }
    }
  }

  private func isJudged(_ load: RunningLoad) -> Bool {
    guard load.node.isRunning else { return true }
    guard let outcome = load.node.outcomes[load.load] else {
      return !isCalm(load.node, at: load.started)
    }
    if isCalm(load.node, at: load.started), load.holders.contains(where: { isCalm($0, at: load.started) }) {
      judgedLoads += 1
      if !outcome.isSuccess { complaints.append("a load of \(load.node.name) failed: \(outcome)") }
    }
    return true
  }

  /// After a calm time, both ends of each pair use the same link, the best one, and have not changed it often.
  private func judgePaths(minutes: Int) {
    for (members, _) in channels {
      for (place, one) in members.enumerated() {
        for other in members[(place + 1)...] {
          guard let kind = kinds[one.id], let otherKind = kinds[other.id] else { continue }
          let (here, there) = (one.preferredLink(to: other), other.preferredLink(to: one))
          let pair = "\(one.name) and \(other.name)"
          if here !== there { complaints.append("\(pair) use different links") }
          // The next port of such a router can be predicted only while the node dials no other node.
          let isByLuck = [kind, otherKind].contains(.symseq)
          if let here, !isByLuck, (here.path != .relayed) != kind.connects(to: otherKind) {
            complaints.append("\(pair) use a link that is \(here.path)")
          }
          for (node, peer) in [(one, other), (other, one)] where (node.changes[peer.id] ?? []).count > 2 * minutes {
            complaints.append("\(node.name) changes its link to \(peer.name) too often")
          }
        }
      }
    }
  }
}
