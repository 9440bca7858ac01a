package import Discovery
package import Primitives
package import Wire

extension NodeCore {
  /// Links of two nodes that open within this time may have been dialed by both concurrently.
  static let crossingTime: Duration = .seconds(5)

  /// A link is up: the handshake has proved the node at its other end.
  package mutating func linkOpened(_ link: LinkID, _ facts: LinkFacts, at now: Timestamps) {
    let facts = withPunchedPath(facts)
    peers.open(Peer(link: link, facts: facts, openedAt: now.instant))
    if let relay = facts.remote?.relayNode, introductions.relays.isForMessagesOnly(relay) {
      peers.change(link) { $0.isForMessagesOnly = true }
    }
    if let dial = facts.dial, let target = dials.target(of: dial) {
      switch target {
      case .bootstrap(let endpoint): introductions.recordBootstrap(facts.peer, at: endpoint)
      case .nearby(let endpoint):
        introductions.recordNearby(facts.peer, at: endpoint)
        peers.change(link) { $0.isFromAnnouncement = true }
      case .member: break
      }
      let isDirect = target.isDialedOnce || peers.hasDirectLink(to: facts.peer)
      perform(
        isDirect ? dials.linked(target, except: dial) : dials.relayed(target, except: dial, now: now.instant))
    }
    if let dial = facts.dial { standby.opened(dial, at: now.instant) }
    if let observation, facts.dial == observation.dial { peers.change(link) { $0.isObservation = true } }
    if facts.path == .punched { punched(facts, at: now) }
    if introductions.isBootstrap(facts.peer) {
      for other in peers.links(to: facts.peer) {
        peers.change(other) { $0.isWantedAsBootstrap = true }
      }
    }
    // Whether this process or another one is at the other end shows in the hello.
    guard facts.peer != node else { return emit(.link(.send(link, .hello(hello(to: facts, at: now))))) }
    guard peers.count <= configuration.maximumLinks else {
      return refuse(
        link, .full, "this node has its maximum of \(configuration.maximumLinks) links", at: now)
    }
    // A node that this one has dialed is no stranger.
    guard facts.dial != nil || peers.count(sharingOriginOf: facts) <= configuration.maximumLinksOfOrigin else {
      return refuse(
        link, .full, "this node has its maximum of \(configuration.maximumLinksOfOrigin) links from one address",
        at: now)
    }
    if answersObservations { observationAnswers.add(link, to: facts.peer, binding: facts.binding) }
    emit(.link(.send(link, .hello(hello(to: facts, at: now)))))
    noteExpectations(at: now)
  }

  private func hello(to facts: LinkFacts, at now: Timestamps) -> Hello {
    var hello = Hello(
      label: Hello.label(of: configuration.label), software: configuration.software,
      isBootstrap: configuration.isBootstrap, clock: now.wall, addresses: introductions.ownAddresses,
      // Where a relay or a server in front of this node sees the other node is not known here.
      observed: facts.path.showsAddresses ? facts.remote : nil,
      proofs: membership.proofs(binding: facts.binding), instance: instance)
    if configuration.isBootstrap, configuration.relays { hello.features |= Hello.relays }
    if configuration.punches { hello.features |= Hello.punching }
    if configuration.prefersQUIC { hello.features |= Hello.prefersQUIC }
    if answersObservations { hello.features |= Hello.observes }
    return hello
  }

  /// A link has ended, closed by either side.
  package mutating func linkClosed(_ link: LinkID, at now: Timestamps) {
    guard let peer = peers.close(link) else { return }
    membership.setKnown(by: link, from: peer.known, to: [])
    releaseIfAlone(peer.node, at: now)
    // in any order: each removal is independent
    for lookup in peer.lookups { lookups[lookup] = nil }
    leavePath(link, of: peer.node, at: now)
    reviewRelay(peer.node, at: now)
    feedEngine.linkClosed(link, at: now.instant)
    drainFeeds()
    if !peers.hasOpenLink(to: peer.node) {
      failReplicas(at: peer.node)
      let life = now.instant - peer.openedAt
      let pause = identities.pause(beforeDialing: peer.node, at: now.instant)
      for target in dialTargets(of: peer.node) { dials.lost(target, after: life, pause: pause, now: now.instant) }
      introductions.forgetNearby(peer.node)
    } else if peers.isLinked(peer.node) {
      reviewDials(of: peer.node, at: now)
    }
    if peer.isObservation, observation?.dial == peer.facts.dial { observed(nil, at: now) }
    observationAnswers.remove(link)
    reviewObserver(peer.node, at: now)
    reviewPunching(of: peer.node, at: now)
    drainTransfer(at: now)
    noteExpectations(at: now)
  }

  /// Everything that may be dialed to reach the node.
  func dialTargets(of node: NodeID) -> [DialTarget] {
    [.member(node)] + introductions.bootstrapAddresses(of: node).map { .bootstrap($0) }
  }

  /// Dials a linked node only if each of its links leads through a relay.
  mutating func reviewDials(of node: NodeID, at now: Timestamps) {
    let isDirect = peers.hasDirectLink(to: node)
    for target in dialTargets(of: node) {
      perform(isDirect ? dials.linked(target) : dials.relayed(target, now: now.instant))
    }
  }

  /// An attempt to connect has failed.
  package mutating func dialFailed(_ dial: DialID, _ problem: DialProblem? = nil, at now: Timestamps) {
    if observation?.dial == dial { observed(nil, at: now) }
    dialFailed(dial, ofRoundAt: now)
    standby.failed(dial, at: now.instant)
    dials.failed(dial, problem, now: now.instant)
    runDials(now)
  }

  /// A message has arrived on a link's control stream.
  package mutating func received(_ message: ControlMessage, on link: LinkID, at now: Timestamps) {
    guard let peer = peers[link], !peer.isClosing else { return }
    switch message {
    case .hello(let hello):
      peer.hello == nil
        ? acceptHello(link, hello, at: now) : refuse(link, .violation, "a second hello", at: now)
    case .goodbye(let goodbye):
      note(goodbye, of: peer, at: now)
      reputation.record(goodbye, of: peer.node)
      close(link, goodbye, at: now)
    default:
      guard peer.isActive else {
        return refuse(link, .violation, "a message before hello", at: now)
      }
      receivedFromActive(message, peer, at: now)
    }
  }

  private mutating func receivedFromActive(_ message: ControlMessage, _ peer: Peer, at now: Timestamps) {
    switch message {
    case .channels(let proofs):
      guard peer.proofs != Set(proofs) else { return }
      setProofs(proofs, of: peer.link)
      guard isIntroduced(peer.link) else { return refuseIntroduction(of: peer.link, at: now) }
      offerRelaying(to: peer.link)
      reviewRelay(peer.node, at: now)
      reviewPermissions(of: [peer.link], at: now)
      introduce(to: peer.link, at: now)
      askOpenQuestions(to: peer.link, at: now)
    case .topics(let topics):
      setNamed(topics, of: peer.link)
      if peers.link(of: peer.node) == peer.link { introduce(to: peer.link, at: now) }
    case .relaying(let offers):
      peers.change(peer.link) { $0.offers = offers }
      reviewRelay(peer.node, at: now)
    case .presence(let records): recordPresence(records, from: peer, at: now)
    case .find(let request): answer(request, on: peer, at: now)
    case .found(let answer): take(answer, from: peer, at: now)
    case .waiting(let notice): waits(notice, at: peer, now)
    case .aborted(let notice): aborted(notice, by: peer, now)
    case .prefer(let number): take(preferred: number, from: peer, at: now)
    case .reach, .punch, .punchStart, .punchEnd: receivedReach(message, from: peer, at: now)
    case .identityQuery(let number): emit(.link(.send(peer.link, .identityAnswer(number))))
    case .identityAnswer(let number): answered(number, by: peer, at: now)
    case .identityCopy(let place): noteCopy(at: place, accordingTo: peer, at: now)
    case .replicate(let request): answer(request, of: peer)
    case .replicated(let answer): take(answer, from: peer)
    // Lanes do not concern the core.
    case .hello, .goodbye, .lanesWanted: break
    }
  }

  private mutating func acceptHello(_ link: LinkID, _ hello: Hello, at now: Timestamps) {
    guard let peer = peers[link] else { return }
    guard hello.major == Hello.majorVersion else {
      return refuse(
        link, .version,
        "this node speaks version \(Hello.majorVersion) of the protocol, the other \(hello.major)",
        at: now)
    }
    guard !peer.isObservation else {
      refuse(link, .duplicate, "this node has learned its address", at: now)
      return observed(hello.observed?.tcpEndpoint, at: now)
    }
    peers.change(link) {
      $0.hello = hello
      // They are stored with those that follow.
      $0.hello?.proofs = []
    }
    guard peer.node != node else { return meetOwnIdentity(link, at: now) }
    recordBootstrapPorts(of: peer.node, hello, at: now)
    setProofs(hello.proofs, of: link)
    let sharesNothing = peers[link]?.proven.isEmpty ?? true
    let isBootstrap = peers[link]?.isBootstrap ?? false
    let isFromAnnouncement = peers[link]?.isFromAnnouncement ?? false
    guard !sharesNothing || isBootstrap || (configuration.isBootstrap && !isFromAnnouncement) else {
      noteNoCommonChannel(link, at: now)
      return refuse(link, .noCommonChannel, "the two nodes have no channel in common", at: now)
    }
    guard isIntroduced(link) else { return refuseIntroduction(of: link, at: now) }
    let allowsSeveral = peers[link]?.allowsSeveral ?? false
    guard allowsSeveral || settleDuplicate(of: link, at: now), makeRoom(for: link, at: now) else {
      // The remaining link may only now be known to lead to a bootstrap node.
      if isBootstrap, let kept = peers.link(of: peer.node) {
        nameTopics(to: kept)
        introduce(to: kept, at: now)
        reviewRelay(peer.node, at: now)
      }
      return
    }
    contest(link, at: now)
    linked(link, hello, at: now)
    closeSilentRivals(of: link, at: now)
    tryQUIC(beside: link, at: now)
    reviewObserver(peer.node, at: now)
    reviewPunching(of: peer.node, at: now)
    noteExpectations(at: now)
  }

  /// The node can be asked over this link, its first or a further one.
  private mutating func linked(_ link: LinkID, _ hello: Hello, at now: Timestamps) {
    guard let peer = peers[link] else { return }
    reputation.recordLink(to: peer.node)
    memberChoice.linked(peer.node)
    defer { remember(peer.node, at: now) }
    notices.remove([.notBootstrap, .noCommonChannel], of: peer.node)
    reviewDials(of: peer.node, at: now)
    recordClock(of: peer.node, hello.clock, at: now)
    // A proxy's address leads to the proxy, not to this node.
    if peer.isBootstrap, peer.facts.path.showsAddresses, let observed = hello.observed {
      recordObserved(observed, by: peer.node, at: now)
    }
    feedEngine.linkOpened(link, to: peer.node, binding: peer.facts.binding)
    // That the node is a bootstrap node may only now be known of its older links.
    for open in peers.activeLinks(to: peer.node) { nameTopics(to: open) }
    offerRelaying(to: link)
    guard !peers.isLinked(peer.node) else {
      addPath(link, at: now)
      return reviewRelay(peer.node, at: now)
    }
    peers.choose(link)
    emit(.link(.prefer(link)))
    tellDialed(peer)
    emit(.event(.linked(peer.node, label: hello.label)))
    introduce(to: link, at: now)
    askOpenQuestions(to: link, at: now)
    reviewPermissions(of: [link], at: now)
    reviewRelay(peer.node, at: now)
  }

  /// Closes one of two links to a node that can have only one. Returns whether `link` is the one that stays.
  ///
  /// Two nodes that dial each other at the same moment must both keep the same link: the one that the node with the
  /// smaller ID dialed. If a link opens much later, or in the same direction, the other side has lost the old one.
  private mutating func settleDuplicate(of link: LinkID, at now: Timestamps) -> Bool {
    guard let peer = peers[link], let oldLink = peers.link(of: peer.node), oldLink != link, let old = peers[oldLink]
    else {
      return true
    }
    let isCrossed = (old.facts.dial == nil) != (peer.facts.dial == nil)
    let isSimultaneous = now.instant - old.openedAt < Self.crossingTime
    let smallerDialedNew = (peer.facts.dial != nil) == (node < peer.node)
    let keepsNew = !(isCrossed && isSimultaneous) || smallerDialedNew
    if keepsNew {
      peers.unchoose(peer.node)
      transferEngine.peerLeft(peer.node, at: now.instant)
      feedPeerLeft(peer.node, at: now)
    }
    refuse(keepsNew ? oldLink : link, .duplicate, "the two nodes have another link", at: now)
    return keepsNew
  }

  private mutating func recordClock(of other: NodeID, _ clock: WallTime, at now: Timestamps) {
    let difference = Self.clockOffset(clock, of: now.wall)
    reputation.recordClock(of: other, offset: difference)
    guard difference.magnitude > PresenceTable.clockTolerance.wholeMilliseconds / 2_000 else { return }
    emit(.event(.clockSkew(other, seconds: difference)))
  }

  /// Says goodbye to a peer and closes its link.
  mutating func refuse(_ link: LinkID, _ code: Goodbye.Code, _ reason: String, at now: Timestamps) {
    guard let peer = peers[link], !peer.isClosing else { return }
    let goodbye = Goodbye(code, reason)
    reputation.record(goodbye, of: peer.node)
    if goodbye.isEvent { emit(.event(.refused(peer.node, goodbye, byPeer: false))) }
    close(link, goodbye, at: now)
  }

  private mutating func close(_ link: LinkID, _ goodbye: Goodbye, at now: Timestamps) {
    guard let peer = peers[link] else { return }
    peers.change(link) { $0.isClosing = true }
    emit(.link(.close(link, goodbye)))
    releaseIfAlone(peer.node, at: now)
    replacePath(of: peer.node, at: now)
  }
}
