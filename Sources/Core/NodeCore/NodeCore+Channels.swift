import Crypto
package import Discovery
package import Primitives
import Wire

extension NodeCore {
  /// The channels that this node has joined are now these. What is no longer permitted ends.
  package mutating func setChannels(_ joined: [Channel], at now: Timestamps) {
    let old = channels
    channels = Dictionary(joined.map { ($0.topic, $0) }) { first, _ in first }
    transferEngine.topics = Set(channels.keys)
    guard channels != old else { return endHopelessSearches(at: now) }
    for topic in old.keys.sorted() where channels[topic] == nil && !configuration.isBootstrap {
      presence.remove(topic: topic)
    }
    for link in peers.keys.sorted(by: { $0.number < $1.number }) {
      guard let peer = peers[link], !peer.isClosing else { continue }
      if Set(old.keys) != Set(channels.keys) {
        emit(.link(.send(link, .channels(proofs(binding: peer.facts.binding)))))
      }
      checkProofs(of: link, at: now)
    }
    updateTargets(at: now)
    announce(at: now)
    for link in linkOfNode.values.sorted(by: { $0.number < $1.number }) { askOpenQuestions(to: link, at: now) }
    withdrawSources(at: now)
    endHopelessSearches(at: now)
    runDials(now)
  }

  /// Over a channel that is not joined nobody will ever appear.
  private mutating func endHopelessSearches(at now: Timestamps) {
    transferEngine.settleSearches(at: now.instant)
    drainTransfer(at: now)
  }

  /// This node listens on `port` and can be reached at these addresses, as far as it knows itself.
  package mutating func setAddresses(_ addresses: [Endpoint], port: UInt16?, at now: Timestamps) {
    announced = addresses
    listeningPort = port
    updateTargets(at: now)
    announce(at: now)
    runDials(now)
  }

  /// Where others may find this node: what its owner says, then where it was seen.
  var ownAddresses: [Endpoint] {
    let observed = listeningPort.map { port in observedHosts.reversed().compactMap { Endpoint(host: $0, port: port) } }
    var addresses = announced
    for endpoint in observed ?? [] where !addresses.contains(endpoint) { addresses.append(endpoint) }
    return Array(addresses.prefix(WireLimits.addresses))
  }

  mutating func noteObserved(_ host: String, at now: Timestamps) {
    guard observedHosts.last != host else { return }
    let isNew = !observedHosts.contains(host)
    observedHosts = Array((observedHosts.filter { $0 != host } + [host]).suffix(4))
    if isNew { announce(at: now) }
  }

  /// Works out on which channels a peer's proofs hold.
  mutating func checkProofs(of link: LinkID, at now: Timestamps) {
    guard let peer = peers[link], peer.hello != nil else { return }
    peers[link]?.proven = Set(
      peer.proofs.filter { proof in
        channels[proof.topic]?.secret.accepts(proof, from: peer.node, binding: peer.facts.binding) ?? false
      }.map(\.topic))
    withdrawSources(at: now)
  }

  private mutating func withdrawSources(at now: Timestamps) {
    let permitted = Dictionary(
      linkOfNode.values.compactMap { peers[$0] }.map { ($0.node, askableTopics(of: $0)) }
    ) { first, _ in first }
    transferEngine.withdraw(at: now.instant) { node, topic in permitted[node]?.contains(topic) != true }
    drainTransfer(at: now)
    updateFeedPeers(at: now)
  }

  /// Whether the peer at the other end may ask this node for files over the channel with this topic.
  package func mayServe(_ link: LinkID, over topic: Topic) -> Bool {
    guard let peer = peers[link], peer.isActive, peer.proven.contains(topic), let channel = channels[topic] else {
      return false
    }
    return channel.permits(peer.node, toAsk: node, serverIsPublic: channel.isPublic)
  }

  /// The channels over which this node may ask the peer for files.
  func askableTopics(of peer: Peer) -> [Topic] {
    guard peer.isActive else { return [] }
    return peer.proven.sorted().filter { topic in
      channels[topic]?.permits(node, toAsk: peer.node, serverIsPublic: true) ?? false
    }
  }

  // MARK: Presence

  /// Tells every peer where this node is, and again after a while.
  mutating func announce(at now: Timestamps) {
    announceAt = now.instant + Self.announcePeriod
    for link in linkOfNode.values.sorted(by: { $0.number < $1.number }) {
      guard let peer = peers[link] else { continue }
      send(ownRecords(for: peer, at: now), to: link)
    }
  }

  private func ownRecords(for peer: Peer, at now: Timestamps) -> [PresenceRecord] {
    let topics = peer.isBootstrap ? Set(channels.keys) : peer.proven
    return topics.sorted().map { topic in
      PresenceRecord(
        node: node, topic: topic, addresses: ownAddresses, issued: now.wall,
        expires: now.wall + Self.announcementLife
      ).signed(with: configuration.key)
    }
  }

  /// Tells a peer of this node and of the members of its channels.
  mutating func introduce(to link: LinkID, at now: Timestamps) {
    guard let peer = peers[link], peer.isActive else { return }
    var records = ownRecords(for: peer, at: now)
    for topic in topicsToIntroduce(to: peer).sorted() {
      records += presence.members(of: topic, except: peer.node, at: now.wall).filter { !departed.contains($0.node) }
    }
    send(records, to: link)
  }

  private func topicsToIntroduce(to peer: Peer) -> Set<Topic> {
    let named = configuration.isBootstrap ? peer.claimed : peer.proven
    return named.filter { channels[$0]?.introduces(peer.node) ?? configuration.isBootstrap }
  }

  private mutating func send(_ records: [PresenceRecord], to link: LinkID) {
    for message in ControlMessage.presence(batching: records) { emit(.link(.send(link, message))) }
  }

  /// Takes in what a peer says of where nodes are. A bootstrap node believes each node about itself only, and hands on.
  mutating func recordPresence(_ records: [PresenceRecord], from peer: Peer, at now: Timestamps) {
    var news: [PresenceRecord] = []
    for record in records where record.node != node {
      let isOwnTopic = channels[record.topic] != nil
      guard isOwnTopic || configuration.isBootstrap else { continue }
      guard record.node == peer.node || (isOwnTopic && (peer.isBootstrap || peer.proven.contains(record.topic))) else {
        continue
      }
      noteTime(of: record, from: peer.node, at: now)
      if presence.admit(record, at: now.wall) { news.append(record) }
    }
    guard !news.isEmpty else { return }
    if configuration.isBootstrap { relay(news, from: peer) }
    updateTargets(at: now)
    runDials(now)
  }

  private mutating func relay(_ records: [PresenceRecord], from sender: Peer) {
    for link in linkOfNode.values.sorted(by: { $0.number < $1.number }) where link != sender.link {
      guard let peer = peers[link] else { continue }
      let topics = topicsToIntroduce(to: peer)
      send(records.filter { topics.contains($0.topic) && $0.node != peer.node }, to: link)
    }
  }

  /// Wants a link to every bootstrap node and to every member of a channel that it may ask or that may ask it.
  mutating func updateTargets(at now: Timestamps) {
    var targets: Set<DialTarget> = []
    let inOrder = channels.values.sorted { $0.topic < $1.topic }
    let bootstraps = configuration.bootstraps + inOrder.flatMap(\.bootstrapAddresses)
    for endpoint in bootstraps where !ownAddresses.contains(endpoint) {
      targets.insert(.bootstrap(endpoint))
      dials.want(.bootstrap(endpoint), at: [endpoint], now: now.instant)
    }
    for channel in inOrder {
      for record in presence.members(of: channel.topic, except: node, at: now.wall) {
        guard targets.count < Self.maximumDialedMembers, channel.connects(node, record.node) else { continue }
        guard targets.insert(.member(record.node)).inserted else { continue }
        // The smaller ID dials first, so that two nodes that learn of each other do not both dial.
        let delay: Duration = node < record.node ? .zero : .seconds(2)
        dials.want(.member(record.node), at: record.addresses, delay: delay, now: now.instant)
        if linkOfNode[record.node] != nil { perform(dials.linked(.member(record.node))) }
      }
    }
    for target in dials.wanted where !targets.contains(target) { perform(dials.forget(target)) }
  }
}
