import APIModel
import NodeCore
import Primitives

/// How this node meets others, for invites and for those who follow one.
extension Node {
  func meeting(in channel: ByteString?, refreshes: Bool) async throws(KacheryError) -> MeetingState {
    var state = MeetingState(node: id, label: configuration.label, isBootstrap: configuration.isBootstrap)
    if let channel {
      guard let joined = channels.list.first(where: { $0.address == channel }) else {
        throw KacheryError(.notFound, "This node has not joined the channel '\(channel)'.")
      }
      if refreshes, channels.hasDocument(joined) {
        await withCheckedContinuation { continuation in channels.read(joined) { _ in continuation.resume() } }
      }
    }
    let now = driver.now
    let network = driver.read { $0.networkSummary(at: now) }
    if configuration.isBootstrap { state.ownAddresses = ownAddresses }
    state.bootstraps = bootstraps(for: channel, in: network)
    state.channel = network.channels.first { $0.channel.address == channel }?.state(for: id)
    if let channel, state.channel?.membership == .unread {
      state.channel?.problem = channels.documents.problem(channel)
    }
    return state
  }

  /// Where others dial this node: the address that its owner gave, or else those with the widest scope.
  private var ownAddresses: [String] {
    let endpoints = driver.read(\.ownAddresses).compactMap(\.tcpEndpoint)
    if let host = configuration.announcedHost {
      return endpoints.filter { ByteString($0.host) == ByteString(host) }.map(\.description)
    }
    let inScope = { (scope: IPAddress.Scope) in endpoints.filter { IPAddress($0.host)?.scope == scope } }
    let outside = inScope(.global)
    return (outside.isEmpty ? inScope(.site) : outside).map(\.description)
  }

  private func bootstraps(for channel: ByteString?, in network: NetworkSummary) -> [Checkup.Bootstrap] {
    let known = network.bootstraps.map { bootstrap in
      var state = Checkup.Bootstrap(address: bootstrap.name)
      (state.node, state.label, state.linkedBy) = (bootstrap.node, bootstrap.label, bootstrap.path?.rawValue)
      return state
    }
    guard let channel else { return known }
    let named = channels.list.filter { $0.address == channel }.flatMap(\.bootstraps)
    let wanted = configuration.bootstraps.map { Address.tcp($0) } + configuration.webSocketBootstraps + named
    let names = Set(wanted.map { ByteString($0.description) })
    return known.filter { names.contains(ByteString($0.address)) }
  }
}
