import Crypto
package import Discovery
package import Primitives
import Wire

extension NodeCore {
  /// Joins these channels in place of the ones before. What is no longer permitted ends.
  package mutating func setChannels(_ joined: [Channel], at now: Timestamps) {
    let oldTopics = membership.topics
    let changed = membership.join(joined)
    transferEngine.topics = membership.topics
    guard !changed.isEmpty else { return endHopelessSearches(at: now) }
    if !configuration.isBootstrap {
      for topic in oldTopics.subtracting(membership.topics).sorted() { introductions.forget(topic) }
    }
    if oldTopics != membership.topics { sendProofs() }
    let affected = membership.links(claiming: changed)
    for link in affected { checkProofs(of: link, changed: changed, at: now) }
    updateTargets(at: now)
    announce(at: now)
    for link in affected { askOpenQuestions(to: link, at: now) }
    endHopelessSearches(at: now)
    runDials(now)
  }

  private mutating func sendProofs() {
    for link in peers.links {
      guard let peer = peers[link], !peer.isClosing else { continue }
      emit(.link(.send(link, .channels(membership.proofs(binding: peer.facts.binding)))))
    }
  }

  /// Over a channel that is not joined nobody will ever appear.
  private mutating func endHopelessSearches(at now: Timestamps) {
    transferEngine.settleSearches(at: now.instant)
    drainTransfer(at: now)
  }

  /// This node listens on `port` and can be reached at these addresses, as far as it knows itself.
  package mutating func setAddresses(_ addresses: [Endpoint], port: UInt16?, at now: Timestamps) {
    introductions.setAddresses(addresses, port: port)
    updateTargets(at: now)
    announce(at: now)
    runDials(now)
  }

  mutating func recordObserved(_ host: String, at now: Timestamps) {
    if introductions.recordObserved(host) { announce(at: now) }
  }

  /// Takes in what a peer says of its channels, in its hello or later.
  mutating func setProofs(_ proofs: [ChannelProof], of link: LinkID, at now: Timestamps) {
    guard let old = peers[link]?.claimed else { return }
    peers.change(link) { $0.proofs = proofs }
    membership.setClaims(of: link, from: old, to: Set(proofs.map(\.topic)))
    checkProofs(of: link, at: now)
  }

  /// Works out on which channels a peer's proofs hold, and what follows from it for this peer.
  ///
  /// - Parameter changed: the topics whose channels have changed; nil if the proofs have.
  private mutating func checkProofs(of link: LinkID, changed: Set<Topic>? = nil, at now: Timestamps) {
    guard let peer = peers[link], peer.hello != nil, !peer.isClosing else { return }
    let proven = membership.proven(by: peer, changed: changed)
    peers.change(link) { $0.proven = proven }
    reviewPermissions(of: link, at: now)
  }

  /// Withdraws what may no longer be asked of the peer, or given to it, and asks what now may be. It costs as much as this
  /// one peer has to do with, however many others are linked.
  mutating func reviewPermissions(of link: LinkID, at now: Timestamps) {
    guard let peer = peers.active(link) else { return }
    countReview()
    let askable = membership.askableTopics(of: peer)
    transferEngine.withdraw(peer.node, except: Set(askable), at: now.instant)
    drainTransfer(at: now)
    feedEngine.setPeer(peer.node, topics: askable, binding: peer.facts.binding, at: now.instant)
    let membership = membership
    feedEngine.withdraw(peer.node) { !membership.mayServe(peer, over: $0) }
    drainFeeds()
  }

  /// Whether the peer at the other end may ask this node for files over the channel with this topic.
  package func mayServe(_ link: LinkID, over topic: Topic) -> Bool {
    peers[link].map { membership.mayServe($0, over: topic) } ?? false
  }

  // MARK: Presence

  /// Tells every peer where this node is, and again after a while.
  mutating func announce(at now: Timestamps) {
    introductions.announceAt = now.instant + Self.announcePeriod
    for peer in peers.linked { send(ownRecords(for: peer, at: now), to: peer.link) }
  }

  private func ownRecords(for peer: Peer, at now: Timestamps) -> [PresenceRecord] {
    let topics = peer.isBootstrap ? membership.topics : peer.proven
    return topics.sorted().map { topic in
      PresenceRecord(
        node: node, topic: topic, addresses: introductions.ownAddresses, issued: now.wall,
        expires: now.wall + Self.announcementLife
      ).signed(with: configuration.key)
    }
  }

  /// Tells a peer of this node and of the members of its channels.
  mutating func introduce(to link: LinkID, at now: Timestamps) {
    guard let peer = peers[link], peer.isActive else { return }
    var records = ownRecords(for: peer, at: now)
    for topic in membership.topicsToIntroduce(to: peer, isBootstrap: configuration.isBootstrap).sorted() {
      records += introductions.members(of: topic, except: peer.node, at: now.wall)
        .filter { !reputation.hasDeparted($0.node) }
    }
    send(records, to: link)
  }

  private mutating func send(_ records: [PresenceRecord], to link: LinkID) {
    for message in ControlMessage.presence(batching: records) { emit(.link(.send(link, message))) }
  }

  /// Takes in what a peer says of where nodes are. A bootstrap node believes each node about itself only, and hands on.
  mutating func recordPresence(_ records: [PresenceRecord], from peer: Peer, at now: Timestamps) {
    var news: [PresenceRecord] = []
    for record in records where record.node != node {
      let isOwnTopic = membership[record.topic] != nil
      guard isOwnTopic || configuration.isBootstrap else { continue }
      guard record.node == peer.node || (isOwnTopic && (peer.isBootstrap || peer.proven.contains(record.topic))) else {
        continue
      }
      recordTime(of: record, from: peer.node, at: now)
      if introductions.admit(record, at: now.wall) { news.append(record) }
    }
    guard !news.isEmpty else { return }
    if configuration.isBootstrap { relay(news, from: peer) }
    updateTargets(at: now)
    runDials(now)
  }

  private mutating func relay(_ records: [PresenceRecord], from sender: Peer) {
    for peer in peers.linked where peer.link != sender.link {
      let topics = membership.topicsToIntroduce(to: peer, isBootstrap: configuration.isBootstrap)
      send(records.filter { topics.contains($0.topic) && $0.node != peer.node }, to: peer.link)
    }
  }

  /// Wants a link to every bootstrap node and to every member of a channel that it may ask or that may ask it.
  mutating func updateTargets(at now: Timestamps) {
    var targets: Set<DialTarget> = []
    let channels = membership.inOrder
    let ownAddresses = introductions.ownAddresses
    let bootstraps = configuration.bootstraps + channels.flatMap(\.bootstrapAddresses)
    for endpoint in bootstraps where !ownAddresses.contains(endpoint) {
      targets.insert(.bootstrap(endpoint))
      dials.want(.bootstrap(endpoint), at: [endpoint], now: now.instant)
    }
    for channel in channels {
      for record in introductions.members(of: channel.topic, except: node, at: now.wall) {
        guard targets.count < Self.maximumDialedMembers, channel.connects(node, record.node) else { continue }
        guard targets.insert(.member(record.node)).inserted else { continue }
        // The smaller ID dials first, so that two nodes that learn of each other do not both dial.
        let delay: Duration = node < record.node ? .zero : .seconds(2)
        dials.want(.member(record.node), at: record.addresses, delay: delay, now: now.instant)
        if peers.isLinked(record.node) { perform(dials.linked(.member(record.node))) }
      }
    }
    for target in dials.wanted where !targets.contains(target) { perform(dials.forget(target)) }
  }
}
