import Discovery
import Primitives
import Wire

/// Presence: announcing this node, recording other nodes, and choosing which ones to dial.
extension NodeCore {
  /// Announces this node to every peer, now and periodically.
  mutating func announce(at now: Timestamps) {
    introductions.announceAt = now.instant + Self.announcePeriod
    for peer in peers.linked {
      peers.change(peer.link) { $0.announced = [] }
      send(newOwnRecords(for: peer.link, at: now), to: peer.link)
      remember(peer.node, at: now)
    }
  }

  /// The records of this node that a peer has not been sent.
  private mutating func newOwnRecords(for link: LinkID, at now: Timestamps) -> [PresenceRecord] {
    guard let peer = peers[link] else { return [] }
    let topics = peer.isBootstrap ? membership.topics : peer.proven
    peers.change(link) { $0.announced = topics }
    return topics.subtracting(peer.announced).sorted().map {
      introductions.ownRecord(of: $0, for: Self.announcementLife, with: configuration.key, at: now.wall)
    }
  }

  /// Introduces this node and the members of its channels to a peer, omitting records that it has been sent.
  mutating func introduce(to link: LinkID, at now: Timestamps) {
    guard let peer = peers[link], peer.isActive else { return }
    var records = newOwnRecords(for: link, at: now)
    let topics = membership.topicsToIntroduce(to: peer, isBootstrap: configuration.isBootstrap)
    for topic in topics.subtracting(peer.introduced).sorted() {
      records += introductions.members(of: topic, except: peer.node, at: now.wall)
        .filter { !reputation.hasDeparted($0.node) }
    }
    peers.change(link) { $0.introduced = topics }
    send(records, to: link)
  }

  private mutating func send(_ records: [PresenceRecord], to link: LinkID) {
    for message in ControlMessage.presence(batching: records) { emit(.link(.send(link, message))) }
  }

  // MARK: Other nodes

  /// Handles a peer's presence records. A bootstrap node accepts from each node only that node's own records, and
  /// relays them.
  mutating func recordPresence(_ records: [PresenceRecord], from peer: Peer, at now: Timestamps) {
    guard !peer.isContested else { return hold(records, from: peer) }
    var news: [PresenceRecord] = []
    for record in records where record.node != node {
      let isOwnTopic = membership[record.topic] != nil
      let isIntroduced = peer.introducedTopics?.contains(record.topic) ?? true
      guard isOwnTopic || (configuration.isBootstrap && isIntroduced) else { continue }
      guard record.node == peer.node || (isOwnTopic && (peer.isBootstrap || peer.proven.contains(record.topic))) else {
        continue
      }
      recordTime(of: record, from: peer.node, at: now)
      if introductions.admit(record, from: peer, at: now.wall) { news.append(record) }
    }
    guard !news.isEmpty else { return }
    passOn(news, from: peer)
    let choice = introductions.choice
    for node in Set(news.map(\.node)).sorted() { updateTarget(node, choice, at: now) }
    runDials(now)
  }

  /// Sends a node's new records to the other members, if this node relays between them. What others send of a node is not
  /// passed on, or several relays would send it in circles.
  private mutating func passOn(_ news: [PresenceRecord], from sender: Peer) {
    let records = news.filter {
      passesOnRecords(of: $0.topic) && (configuration.isBootstrap || $0.node == sender.node)
    }
    guard !records.isEmpty else { return }
    for link in membership.links(knowing: Set(records.map(\.topic))) where link != sender.link {
      guard let peer = peers.preferred(link) else { continue }
      let topics = membership.topicsToIntroduce(to: peer, isBootstrap: configuration.isBootstrap)
      send(records.filter { topics.contains($0.topic) && $0.node != peer.node }, to: link)
    }
  }

  // MARK: Dialing

  /// Requests a link to every bootstrap node, and to every member of a channel if either may request files from the
  /// other.
  mutating func updateTargets(at now: Timestamps) {
    var targets: Set<DialTarget> = []
    let channels = membership.inOrder
    let ownAddresses = introductions.ownAddresses
    let bootstraps =
      configuration.bootstraps + webSocketBootstraps.compactMap(\.webSocketEndpoint)
      + channels.flatMap(\.bootstrapAddresses)
    for endpoint in bootstraps where !ownAddresses.contains(.tcp(endpoint)) {
      targets.insert(.bootstrap(endpoint))
      dials.want(.bootstrap(endpoint), at: places(ofBootstrap: endpoint), now: now.instant)
    }
    let choice = introductions.choice
    for record in membersToDial(over: channels, besides: targets.count, at: now)
    where targets.insert(.member(record.node)).inserted {
      want(record, choice, at: now)
    }
    wantRemembered(besides: &targets, choice, at: now)
    for target in dials.wanted where !targets.contains(target) && !target.isDialedOnce {
      if let member = target.node { memberChoice.gaveUp(member, after: dials.failures(of: target)) }
      perform(dials.forget(target))
    }
  }

  /// The members to which links are wanted, as many as there may be.
  private mutating func membersToDial(over channels: [Channel], besides others: Int, at now: Timestamps)
    -> [PresenceRecord]
  {
    let room = max(0, Self.maximumDialedMembers - others)
    var members: [NodeID: PresenceTable.Entry] = [:]
    for channel in channels {
      for entry in introductions.entries(of: channel.topic, except: node, at: now.wall) {
        countTarget()
        guard members[entry.record.node] == nil, channel.connects(node, entry.record.node) else { continue }
        members[entry.record.node] = entry
      }
    }
    let inOrder = members.sorted { $0.key < $1.key }.map(\.value)
    guard inOrder.count > room else { return inOrder.map(\.record) }
    let dials = dials
    return Array(memberChoice.ordered(inOrder) { dials.failures(of: .member($0)) }.prefix(room))
  }

  /// The same for one member with a new record.
  private mutating func updateTarget(_ member: NodeID, _ choice: AddressChoice, at now: Timestamps) {
    countTarget()
    let record = introductions.records(of: member, at: now.wall).first {
      membership[$0.topic]?.connects(node, member) ?? false
    }
    guard let record else { return perform(dials.forget(.member(member))) }
    guard dials.wants(.member(member)) || dials.count < Self.maximumDialedMembers else { return }
    want(record, choice, at: now)
  }

  private mutating func want(_ record: PresenceRecord, _ choice: AddressChoice, at now: Timestamps) {
    let target = DialTarget.member(record.node)
    dials.want(
      target, at: choice.addresses(record.addresses, relays: relays(to: record.node, at: now)), now: now.instant)
    guard peers.isLinked(record.node) else { return }
    reviewDials(of: record.node, at: now)
    reviewStandby(of: record.node, at: now)
  }
}
