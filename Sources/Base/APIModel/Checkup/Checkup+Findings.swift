import Primitives

extension Checkup {
  /// Below this room, in bytes, a load of ordinary files fails.
  static let leastRoom: UInt64 = 10_000_000
  static let littleRoom: UInt64 = 1_000_000_000
  /// A larger difference of clocks, in seconds, will soon matter.
  static let largestDifference: UInt64 = 300

  /// What is wrong and what could be better: problems first.
  package var findings: [Finding] {
    let all =
      daemonFindings + diskFindings + proxyFindings + bootstrapFindings + channelFindings + clockFindings
      + outsideFindings + (gateway?.findings ?? [])
    return all.filter { $0.severity == .problem } + all.filter { $0.severity == .advice }
  }

  private var daemonFindings: [Finding] {
    guard daemon == nil else { return [] }
    return [
      Finding(
        .noDaemon, .problem, "The daemon is not running.",
        "Start it with kachery-p2p-start-daemon, or set KACHERY_P2P_API_PORT to the port of its local API.")
    ]
  }

  private var diskFindings: [Finding] {
    guard let disk else { return [] }
    if let problem = disk.problem {
      return [
        Finding(
          .storageFailed, .problem, "The storage directory \(disk.directory) takes no writes: \(problem)",
          "Check the disk and the permissions of that directory.")
      ]
    }
    guard let room = disk.available, room < Self.littleRoom else { return [] }
    return [
      Finding(
        .diskFull, room < Self.leastRoom ? .problem : .advice,
        "Only \(Quantity.bytes(Double(room))) are free on the disk of the storage directory.",
        "Free some space, for example with kachery gc --trash.")
    ]
  }

  private var proxyFindings: [Finding] {
    guard let proxy, let problem = proxy.problem else { return [] }
    return [
      Finding(
        .proxyUnusable, .problem, "The proxy named by \(proxy.source) cannot be used: \(problem)",
        "Correct it there, or use --proxy none if other nodes can be reached directly.")
    ]
  }

  // MARK: Bootstrap nodes

  private var bootstrapFindings: [Finding] {
    if proxy?.problem != nil { return [] }
    guard !bootstraps.isEmpty else { return withoutBootstraps }
    let missing = bootstraps.filter { !$0.isReached }
    guard missing.count == bootstraps.count else {
      return missing.map { bootstrap in
        Finding(
          .bootstrapUnreachable, .advice,
          "The bootstrap node \(bootstrap.address) cannot be reached: \(bootstrap.reason)",
          "Ask its owner whether it runs, or remove it from the options and the channel's document.")
      }
    }
    let names = missing.map(\.address).joined(separator: ", ")
    let subject = missing.count == 1 ? "The bootstrap node \(names)" : "None of the bootstrap nodes \(names)"
    return [
      Finding(
        .bootstrapsUnreachable, daemon?.links ?? 0 > 0 ? .advice : .problem,
        "\(subject) \(missing.count == 1 ? "cannot" : "can") be reached: \(missing[0].reason)",
        remedyForUnreachable(missing))
    ]
  }

  private var withoutBootstraps: [Finding] {
    guard let daemon, !daemon.isBootstrap else { return [] }
    let isAlone = daemon.links == 0 && !(multicast?.isOn ?? false)
    return [
      Finding(
        .noBootstrap, isAlone ? .problem : .advice,
        "No bootstrap node is configured, so this node meets only nodes of its local network.",
        "Start the daemon with --bootstrap HOST:PORT, or join a channel whose document names a bootstrap node.")
    ]
  }

  private func remedyForUnreachable(_ missing: [Bootstrap]) -> String {
    let attempts = missing.flatMap(\.attempts)
    if let proxied = attempts.first(where: \.isThroughProxy) {
      return (proxied.problem ?? "").contains(bytesOf: "does not allow")
        ? "Most proxies allow only port 443: let the bootstrap node listen there as well (--also-listen 443)."
        : "Check the proxy that \(proxy?.source ?? "the configuration") names, and that the bootstrap node runs; use "
          + "--proxy none if it can be reached directly."
    }
    // A firewall drops packets; a machine without the program refuses them.
    let isSilent = attempts.contains { $0.transport == .tcp && ($0.problem ?? "").contains(bytesOf: "in time") }
    return isSilent
      ? "Check that it runs; if this network lets connections out only to port 443, let it listen there as well "
        + "(--also-listen 443), or name the network's proxy with --proxy."
      : "Check the address, and that a daemon runs there with --isbootstrap."
  }

  // MARK: Channels

  private var channelFindings: [Finding] {
    guard let daemon else { return [] }
    guard !channels.isEmpty else {
      guard !daemon.isBootstrap else { return [] }
      return [
        Finding(
          .noChannel, .problem, "This node has joined no channel, so it shares with no other node.",
          "Join one with kachery-p2p-join-channel NAME-OR-URL.")
      ]
    }
    return channels.flatMap { findings(on: $0, daemon) }
  }

  private func findings(on channel: JoinedChannelState, _ daemon: DaemonState) -> [Finding] {
    let name = "the channel \(channel.address)"
    switch channel.membership {
    case .unread:
      return [
        Finding(
          .channelUnreadable, .problem, "The document of \(name) could not be read yet.",
          "Check the address, and that this machine can reach it; the log says why it failed.")
      ]
    case .notListed:
      return [
        Finding(
          .notAuthorized, .problem, "The document of \(name) does not list this node.",
          "Ask the channel's owner to add the node ID \(daemon.node.hex).")
      ]
    case .byName, .listed: return findings(onMembersOf: channel, name)
    }
  }

  private func findings(onMembersOf channel: JoinedChannelState, _ name: String) -> [Finding] {
    let members = { (count: Int) in "\(count) member\(count == 1 ? "" : "s")" }
    if channel.online == 0 {
      // A node that reaches no bootstrap node does not know.
      guard bootstraps.isEmpty || bootstraps.contains(where: \.isReached) else { return [] }
      return [
        Finding(
          .noMemberOnline, .advice, "No other member of \(name) is online.",
          "Check that the others use the same name and the same bootstrap node, and that their daemons run.")
      ]
    }
    var findings: [Finding] = []
    if channel.unlinked > 0 {
      // Without a reason, it may still be being dialed.
      let isProblem = channel.unlinked == channel.online && channel.problem != nil
      let why = channel.problem.map { ": \($0)" } ?? "."
      findings.append(
        Finding(
          .membersUnreachable, isProblem ? .problem : .advice,
          "\(members(channel.unlinked)) of \(name) \(channel.unlinked == 1 ? "is" : "are") online but not linked\(why)",
          "Use a bootstrap node that relays, or let a member that can be dialed join the channel with --data-proxy, or "
            + "let one of the two be dialed: forward its TCP port to it."))
    }
    if channel.relayed > 0 {
      let port = daemon?.ports.first.map { "TCP port \($0)" } ?? "its TCP port"
      findings.append(
        Finding(
          .membersRelayed, .advice,
          "\(members(channel.relayed)) of \(name) \(channel.relayed == 1 ? "is" : "are") reached only through a relay, "
            + "which is slower.",
          "Let one of the two be dialed: allow \(port), and forward it to this machine if there is a router\(orMapping)."
        ))
    }
    return findings
  }

  // MARK: Clock and routers

  private var clockFindings: [Finding] {
    guard let clock else { return [] }
    if let error = clock.error {
      return [
        Finding(
          .clockSkew, .problem,
          "This machine's clock is \(error.magnitude) s \(error > 0 ? "ahead of" : "behind") those of the other nodes, "
            + "which reject its announcements.", "Set the clock, preferably by a time service (NTP).")
      ]
    }
    guard clock.isRejected || clock.difference > Self.largestDifference else { return [] }
    return [
      Finding(
        .clockSkew, .advice,
        "The clocks of this machine and of another node differ by \(clock.difference) s; at 600 s they reject each other's "
          + "announcements.", "Correct the clock that is wrong, preferably by a time service (NTP).")
    ]
  }

  /// What may take the place of a forwarded port.
  private var orMapping: String { mapping?.remedy.map { ", or \($0)" } ?? "" }

  private var outsideFindings: [Finding] {
    guard let outside, outside.nat == .perDestination, !outside.wasDialedFromOutside, mapping?.state != .mapped else {
      return []
    }
    return [
      Finding(
        .portPerDestination, .advice,
        "The router chooses another port for each destination, so links to nodes behind other routers may need a relay.",
        "Forward TCP port \(outside.port) of the router to this machine, and start the daemon with --port "
          + "\(outside.port)\(orMapping).")
    ]
  }
}

extension Checkup.Bootstrap {
  /// Why it was not reached: the reason of the attempt at the given address.
  fileprivate var reason: String { attempts.compactMap(\.problem).first ?? "it was not tried." }
}
