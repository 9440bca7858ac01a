package import Discovery
import Primitives
package import Wire

extension NodeCore {
  /// A link is up: the handshake has proved who is at its other end.
  package mutating func linkOpened(_ link: LinkID, _ facts: LinkFacts, at now: Timestamps) {
    peers[link] = Peer(link: link, facts: facts, openedAt: now.instant)
    if let dial = facts.dial, let target = dials.target(of: dial) {
      if case .bootstrap(let endpoint) = target { bootstrapNodes[endpoint] = facts.peer }
      perform(dials.linked(target, except: dial))
    }
    if bootstrapNodes.values.contains(facts.peer) {
      // in any order: each gets the same mark
      for other in peers.keys where peers[other]?.node == facts.peer { peers[other]?.isWantedAsBootstrap = true }
    }
    guard facts.peer != node else { return refuse(link, .duplicate, "this is the same node") }
    guard peers.count <= configuration.maximumLinks else {
      return refuse(link, .full, "this node holds \(configuration.maximumLinks) links and takes no more")
    }
    emit(.link(.send(link, .hello(hello(to: facts, at: now)))))
    noteExpectations(at: now)
  }

  private func hello(to facts: LinkFacts, at now: Timestamps) -> Hello {
    Hello(
      label: Hello.label(of: configuration.label), software: configuration.software,
      isBootstrap: configuration.isBootstrap, clock: now.wall, addresses: ownAddresses, observed: facts.remote,
      proofs: proofs(binding: facts.binding))
  }

  func proofs(binding: [UInt8]) -> [ChannelProof] {
    channels.values.sorted { $0.topic < $1.topic }.prefix(WireLimits.channels).map { channel in
      channel.secret.proof(by: node, binding: binding)
    }
  }

  /// A link is gone, whoever closed it.
  package mutating func linkClosed(_ link: LinkID, at now: Timestamps) {
    guard let peer = peers.removeValue(forKey: link) else { return }
    lookups = lookups.filter { $0.value.link != link }
    if linkOfNode[peer.node] == link {
      linkOfNode[peer.node] = nil
      emit(.event(.unlinked(peer.node)))
      transferEngine.peerLeft(peer.node, at: now.instant)
      feedPeerLeft(peer.node, at: now)
    }
    if !peers.values.contains(where: { $0.node == peer.node && !$0.isClosing }) {
      let life = now.instant - peer.openedAt
      dials.lost(.member(peer.node), after: life, now: now.instant)
      for (endpoint, node) in bootstrapNodes.sorted(by: { $0.key.description < $1.key.description })
      where node == peer.node {
        dials.lost(.bootstrap(endpoint), after: life, now: now.instant)
      }
    }
    drainTransfer(at: now)
    noteExpectations(at: now)
  }

  /// An attempt to connect came to nothing.
  package mutating func dialFailed(_ dial: DialID, _ problem: DialProblem? = nil, at now: Timestamps) {
    dials.failed(dial, problem, now: now.instant)
    runDials(now)
  }

  /// A message has come on a link's control stream.
  package mutating func received(_ message: ControlMessage, on link: LinkID, at now: Timestamps) {
    guard let peer = peers[link], !peer.isClosing else { return }
    switch message {
    case .hello(let hello):
      peer.hello == nil ? acceptHello(link, hello, at: now) : refuse(link, .violation, "a second hello")
    case .goodbye(let goodbye):
      emit(.event(.refused(peer.node, goodbye, byPeer: true)))
      noteGoodbye(peer.node, goodbye)
      peers[link]?.isClosing = true
      emit(.link(.close(link, goodbye)))
    default:
      guard peer.isActive else { return refuse(link, .violation, "a message before hello") }
      receivedFromActive(message, peer, at: now)
    }
  }

  private mutating func receivedFromActive(_ message: ControlMessage, _ peer: Peer, at now: Timestamps) {
    switch message {
    case .channels(let proofs):
      peers[peer.link]?.proofs = proofs
      checkProofs(of: peer.link, at: now)
      introduce(to: peer.link, at: now)
      askOpenQuestions(to: peer.link, at: now)
    case .presence(let records): recordPresence(records, from: peer, at: now)
    case .find(let request): answer(request, on: peer, at: now)
    case .found(let answer): take(answer, from: peer, at: now)
    case .waiting(let notice): waits(notice, at: peer, now)
    case .aborted(let notice): aborted(notice, by: peer, now)
    case .hello, .goodbye: break
    }
  }

  private mutating func acceptHello(_ link: LinkID, _ hello: Hello, at now: Timestamps) {
    guard let peer = peers[link] else { return }
    guard hello.major == Hello.majorVersion else {
      return refuse(
        link, .version, "this node speaks version \(Hello.majorVersion) of the protocol, the other \(hello.major)")
    }
    peers[link]?.hello = hello
    peers[link]?.proofs = hello.proofs
    checkProofs(of: link, at: now)
    let sharesNothing = peers[link]?.proven.isEmpty ?? true
    let isBootstrap = peers[link]?.isBootstrap ?? false
    guard !sharesNothing || isBootstrap || configuration.isBootstrap else {
      return refuse(link, .noCommonChannel, "the two nodes have no channel in common")
    }
    guard settleDuplicate(of: link, at: now) else {
      // The link that stays may only now be known to lead to a bootstrap node.
      if isBootstrap, let kept = linkOfNode[peer.node] { introduce(to: kept, at: now) }
      return
    }
    linkOfNode[peer.node] = link
    departed.remove(peer.node)
    goodbyes[peer.node] = nil
    perform(dials.linked(.member(peer.node)))
    emit(.event(.linked(peer.node, label: hello.label)))
    noteClock(of: peer.node, hello.clock, at: now)
    if isBootstrap, let observed = hello.observed { noteObserved(observed.host, at: now) }
    introduce(to: link, at: now)
    askOpenQuestions(to: link, at: now)
    updateFeedPeers(at: now)
    noteExpectations(at: now)
  }

  /// Of two links to one node one is closed. Says whether `link` is the one that stays.
  ///
  /// Two nodes that dial each other at the same moment must both keep the same link: the one that the smaller ID
  /// dialed. A link that comes much later, or in the same direction, means that the other side has lost the old one.
  private mutating func settleDuplicate(of link: LinkID, at now: Timestamps) -> Bool {
    guard let peer = peers[link], let oldLink = linkOfNode[peer.node], oldLink != link, let old = peers[oldLink] else {
      return true
    }
    let isCrossed = (old.facts.dial == nil) != (peer.facts.dial == nil)
    let isSimultaneous = now.instant - old.openedAt < .seconds(5)
    let smallerDialedNew = (peer.facts.dial != nil) == (node < peer.node)
    let keepsNew = !(isCrossed && isSimultaneous) || smallerDialedNew
    if keepsNew {
      linkOfNode[peer.node] = nil
      transferEngine.peerLeft(peer.node, at: now.instant)
      feedPeerLeft(peer.node, at: now)
    }
    refuse(keepsNew ? oldLink : link, .duplicate, "the two nodes have another link")
    return keepsNew
  }

  private mutating func noteClock(of other: NodeID, _ clock: WallTime, at now: Timestamps) {
    let difference = Self.clockOffset(clock, of: now.wall)
    noteOffset(other, seconds: difference)
    guard difference.magnitude > PresenceTable.clockTolerance.wholeMilliseconds / 2_000 else { return }
    emit(.event(.clockSkew(other, seconds: difference)))
  }

  /// Says goodbye to a peer and closes its link.
  mutating func refuse(_ link: LinkID, _ code: Goodbye.Code, _ reason: String) {
    guard let peer = peers[link], !peer.isClosing else { return }
    peers[link]?.isClosing = true
    let goodbye = Goodbye(code, reason)
    noteGoodbye(peer.node, goodbye)
    if code != .duplicate { emit(.event(.refused(peer.node, goodbye, byPeer: false))) }
    emit(.link(.close(link, goodbye)))
  }
}
