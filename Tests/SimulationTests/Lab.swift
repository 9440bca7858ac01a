import Crypto
import Discovery
import NodeCore
import Primitives
import TestSupport
import Transfer

/// A channel with a bootstrap node and members that have all found each other.
struct Lab {
  static let channel = Channel(address: "the lab", membership: .byName)

  let network: SimNetwork
  let bootstrap: SimNode
  let members: [SimNode]

  init(
    seed: UInt64, members count: Int, channel: Channel = Lab.channel, manifestThreshold: UInt64 = 2_000,
    keepsTrace: Bool = false
  ) throws {
    network = SimNetwork(seed: seed)
    network.keepsTrace = keepsTrace
    let bootstrap = try network.addNode("bootstrap", isBootstrap: true)
    self.bootstrap = bootstrap
    members = try (0..<count).map { [network] in
      try network.addNode("node \($0)", bootstraps: [bootstrap], manifestThreshold: manifestThreshold)
    }
    bootstrap.start([channel])
    for member in members { member.start([channel]) }
    _ = network.clock.run(for: .seconds(20))
  }

  /// `count` bytes that the seed determines.
  func bytes(_ count: Int) -> [UInt8] { network.random.bytes(count) }

  /// Runs until these loads have ended; returns whether they have.
  func finish(_ loads: [(SimNode, LoadID)], within duration: Duration = .seconds(600)) -> Bool {
    network.clock.run(for: duration) { loads.allSatisfy { $0.outcomes[$1] != nil } }
  }

  /// Runs until the node has received a part of the file, but not all of it.
  func runUntilSomeCame(from servers: [SimNode], to asker: SimNode) -> Bool {
    network.clock.run(for: .seconds(60)) {
      servers.allSatisfy { network.served[$0.id]?.contains(asker.id) == true }
    }
  }
}

extension Result where Success == Void, Failure == KacheryError {
  var code: KacheryError.Code? { if case .failure(let error) = self { error.code } else { nil } }
  var isSuccess: Bool { code == nil }
}
