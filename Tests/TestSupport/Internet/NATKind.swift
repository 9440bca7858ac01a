/// The kinds of edges behind which nodes are.
package enum NATKind: String, CaseIterable, Sendable {
  /// No NAT: a server.
  case publicHost
  /// Full cone.
  case cone
  /// Lets in the hosts that were spoken to.
  case addr
  /// Keeps ports and lets in the endpoints that were spoken to, as Linux and most home routers.
  case port
  /// A firewall before a public address.
  case fw
  /// Like `port`, but refuses unsolicited packets.
  case rst
  /// Like `rst`, and remembers whom it has refused.
  case greedy
  /// Like `port`, but another machine uses the node's port.
  case collide
  /// Lets no SYN in, even one that crosses a SYN from inside.
  case nosim
  /// A home router behind a carrier's NAT.
  case cgnat
  /// Another port for each destination, in sequence.
  case symseq
  /// Another port for each destination, at random.
  case symrand
  /// Lets out only what goes to port 443.
  case campus

  /// A machine behind an edge of this kind.
  ///
  /// - Parameters:
  ///   - number: makes the addresses of the site unique, below 2,000.
  ///   - port: on which the node of the machine listens.
  package func host(_ number: Int, port: UInt16, in internet: SimInternet) -> SimHost {
    let (block, number) = (number / 200, number % 200)
    let (inner, outside) = ("10.\(number).\(block).2", "198.51.\(100 + block).\(number)")
    let router = "203.0.\(113 + block).\(number)"
    let nat = { SimNAT(router, behavior(port: port), in: internet) }
    switch self {
    case .publicHost: return SimHost(outside, in: internet)
    case .fw: return SimHost(outside, in: internet, behind: nat())
    case .cgnat:
      var carrier = SimNAT.Behavior()
      carrier.ports = .random
      let outer = SimNAT(router, carrier, in: internet)
      let home = SimNAT("100.64.\(block).\(number)", SimNAT.Behavior(), in: internet, behind: outer)
      return SimHost(inner, in: internet, behind: home)
    default: return SimHost(inner, in: internet, behind: nat())
    }
  }

  /// How the NAT of the node's own site behaves.
  package func behavior(port: UInt16) -> SimNAT.Behavior {
    var behavior = SimNAT.Behavior()
    switch self {
    case .publicHost, .port, .cgnat: break
    case .cone: (behavior.filtering, behavior.ports) = (.independent, .random)
    case .addr: (behavior.filtering, behavior.ports) = (.address, .random)
    case .fw: behavior.mapping = nil
    case .rst: behavior.unasked = .refused
    case .greedy: behavior.unasked = .refusedAndRemembered
    case .collide: behavior.taken = [port]
    case .nosim: behavior.opensSimultaneously = false
    case .symseq: (behavior.mapping, behavior.ports) = (.addressAndPort, .sequence)
    case .symrand: (behavior.mapping, behavior.ports) = (.addressAndPort, .random)
    case .campus: behavior.onlyPort = 443
    }
    return behavior
  }

  /// Whether two nodes behind edges of these kinds can connect over UDP without guessing ports.
  package func connectsByUDP(to other: NATKind) -> Bool {
    let pair = [self, other]
    guard !pair.contains(.campus) else { return false }
    let easy = pair.filter { $0 != .symseq && $0 != .symrand }
    return easy.count == 2 || (easy.first.map { [.publicHost, .cone, .addr].contains($0) } ?? false)
  }

  /// Whether two nodes behind edges of these kinds can connect over TCP: the table was measured with real kernels and
  /// NATs. With two that are hard, and with two that open no connection from both sides, it depends on luck or fails.
  package func connects(to other: NATKind) -> Bool {
    let pair = [self, other]
    if pair.contains(.campus) || pair == [.nosim, .nosim] { return false }
    guard pair.contains(.symrand) else { return true }
    return pair.contains(.publicHost) || pair.contains(.cone) || pair.contains(.addr)
  }
}
