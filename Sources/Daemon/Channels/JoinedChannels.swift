import APIModel
import ContentStore
import Diagnostics
import Discovery
import EventLoop
import FeedStore
import NodeCore
import Primitives

/// The channels that this node has joined, and the documents of those that have one. Bound to the loop.
final class JoinedChannels {
  /// How often the documents are read; a withdrawn membership ends within that time, and that of the reading.
  private static let period: Duration = .seconds(180)

  /// How long a start waits for the secrets of new channels. The others are joined while the node is already of use.
  var patience: Duration = .seconds(2)

  private let source: ChannelSource
  private let secrets: ChannelSecrets
  private let mutables: MutableTable
  /// Channels to join at the start.
  private let configured: [String]
  private let node: NodeID
  private let driver: CoreDriver
  private let loop: EventLoop
  private let log: Log
  private var joined: [JoinedChannel] = []
  private(set) var documents = ChannelDocuments()
  /// The secrets of the joined channels, as far as they are derived.
  private var derived: [ByteString: ChannelSecret] = [:]
  private var refresher: Timer?

  init(
    _ source: ChannelSource, _ secrets: ChannelSecrets, _ mutables: MutableTable, configured: [String], node: NodeID,
    driver: CoreDriver, loop: EventLoop, log: Log
  ) {
    self.source = source
    self.secrets = secrets
    self.mutables = mutables
    self.configured = configured
    self.node = node
    self.driver = driver
    self.loop = loop
    self.log = log
  }

  /// The joined channels, in the order in which they were joined.
  var list: [JoinedChannel] { joined }

  /// Joins the stored channels and those named on the command line; then refreshes their documents regularly.
  ///
  /// - Parameter then: called when the node has joined them all, or after `patience`.
  func start(then: @escaping () -> Void) {
    refresher = loop.after(Self.period, repeating: Self.period) { [weak self] in self?.refresh() }
    var isStarted = false
    let started = {
      guard !isStarted else { return }
      isStarted = true
      then()
    }
    _ = loop.after(patience, started)
    reload(then: started)
  }

  /// Joins the channels that are now stored.
  func reload(then: @escaping () -> Void = {}) {
    loop.work { [mutables] in
      Result { () throws(KacheryError) in JoinedChannel.list(from: try mutables.get(JoinedChannel.mutableKey)) }
    } then: { [self] stored in
      switch stored {
      case .success(let channels): add(configured, to: channels, then: then)
      case .failure(let error):
        // Not none: a stored list would then be replaced by the configured channels.
        log.error("The joined channels cannot be read: \(error)")
        replace(joined.isEmpty ? Self.channels(configured, besides: []) : joined, then: then)
      }
    }
  }

  private func add(_ configured: [String], to stored: [JoinedChannel], then: @escaping () -> Void) {
    let new = Self.channels(configured, besides: stored)
    let channels = stored + new
    guard !new.isEmpty else { return replace(channels, then: then) }
    loop.work { [mutables] in
      Result { () throws(KacheryError) in
        _ = try mutables.set(JoinedChannel.mutableKey, JoinedChannel.value(of: channels))
      }
    } then: { [self] kept in
      if case .failure(let error) = kept { log.error("The joined channels cannot be stored: \(error)") }
      replace(channels, then: then)
    }
  }

  /// The configured channels that are not among these.
  private static func channels(_ configured: [String], besides known: [JoinedChannel]) -> [JoinedChannel] {
    configured.map { JoinedChannel.followingLatest(ByteString($0)) }
      .filter { address in !known.contains { $0.address == address } }.map { JoinedChannel(address: $0) }
  }

  /// Replaces the joined channels. Each is joined as soon as its secret is known. Unknown documents are first read from
  /// their stored copies, then fetched.
  ///
  /// - Parameter then: called when the node has joined them all.
  func replace(_ channels: [JoinedChannel], then: @escaping () -> Void) {
    joined = channels
    let addresses = Set(channels.map(\.address))
    documents.keep(only: addresses)
    let unknown = channels.map(\.address).filter { ChannelSource.isDocument($0) && documents[$0] == nil }
    derived = derived.filter { known in channels.contains { $0.address == known.key } }
    let missing = Set(channels.map(\.address).filter { derived[$0] == nil }).sorted()
    var steps = 1 + missing.count
    let stepDone = { [self] in
      steps -= 1
      updateCore()
      guard steps == 0 else { return }
      driver.input { $0.forgetMembersOfOtherChannels(at: $1) }
      refresh()
      then()
    }
    for address in missing {
      secrets.secret(
        of: address,
        then: loop.receiver { [self] secret in
          derived[address] = secret
          stepDone()
        })
    }
    let receive = loop.receiver { [self] (copies: [ByteString: ChannelDocument]) in
      documents.add(copies: copies)
      stepDone()
    }
    guard !unknown.isEmpty else { return receive([:]) }
    source.copies(of: unknown, then: receive)
  }

  private func updateCore() {
    let channels: [Channel] = joined.compactMap { channel in
      guard let secret = derived[channel.address] else { return nil }
      return Channel(
        address: channel.address, secret: secret,
        membership: ChannelSource.isDocument(channel.address) ? .byDocument(documents[channel.address]) : .byName,
        isPublic: channel.isPublic,
        offered: RelayedTraffic(isMessageProxy: channel.isMessageProxy, isDataProxy: channel.isDataProxy),
        namedBootstraps: channel.bootstraps)
    }
    driver.input { $0.setChannels(channels, at: $1) }
  }

  /// Refreshes every document.
  func refresh() {
    for channel in joined where ChannelSource.isDocument(channel.address) { read(channel) { _ in } }
  }

  /// A document that was read, and the one that was known before.
  typealias Reading = Result<(document: ChannelDocument, earlier: ChannelDocument?), KacheryError>

  /// Reads a joined channel's document, and applies it.
  func read(_ channel: JoinedChannel, then: @escaping (Reading) -> Void) {
    let receive = loop.receiver { [self] result in then(fetched(channel.address, result)) }
    source.fetch(channel.address, onlyPublic: channel.isJoinedRemotely, then: receive)
  }

  /// Reads the document of a channel that need not be joined.
  ///
  /// - Parameter onlyPublic: whether it may come from a public address only.
  func look(at address: ByteString, onlyPublic: Bool, then: @escaping (Result<ChannelDocument, KacheryError>) -> Void) {
    source.fetch(address, onlyPublic: onlyPublic, then: loop.receiver(then))
  }

  private func fetched(_ address: ByteString, _ result: Result<ChannelDocument, KacheryError>) -> Reading {
    switch result {
    case .success(let document):
      guard joined.contains(where: { $0.address == address }) else { return .success((document, nil)) }
      let earlier = documents.record(document, at: address, loop.now)
      guard earlier != document else { return .success((document, earlier)) }
      noteMembership(document, of: address)
      updateCore()
      return .success((document, earlier))
    case .failure(let error):
      // Once, not every few minutes for as long as it lasts.
      if documents.record(error.message, at: address) {
        let copy = documents[address] == nil ? "" : " Its last good copy stays in use."
        log.warning(
          "The channel \(address) could not be read: \(error)\(copy)", .channelUnreadable,
          about: [.channel("\(address)"), .error(error.code.rawValue)])
      }
      return .failure(error)
    }
  }

  private func noteMembership(_ document: ChannelDocument, of address: ByteString) {
    guard document.member(node) == nil else { return log.info("Channel \(address): this node is a member.") }
    log.warning(
      "Channel \(address): this node is not a member. The channel's keeper can add its ID, \(node.hex).",
      .channelDenied, about: [.channel("\(address)")])
  }

  /// Whether a document lists the channel's members.
  func hasDocument(_ channel: JoinedChannel) -> Bool { ChannelSource.isDocument(channel.address) }

  /// The topic of a joined channel; nil while its secret is being derived.
  func topic(of channel: JoinedChannel) -> Topic? { derived[channel.address]?.topic }

  /// The topic of the channel that a client names by its address or its label.
  ///
  /// - Throws: `notFound` if this node has not joined the channel.
  func topic(named name: String) throws(KacheryError) -> Topic {
    guard let match = joinedChannel(named: name) else {
      throw KacheryError(
        .notFound, "This node has not joined the channel '\(name)'; join it with kachery-p2p-join-channel.")
    }
    guard let secret = derived[match.address] else {
      throw KacheryError(.notFound, "This node is still joining the channel '\(name)'; try again in a moment.")
    }
    return secret.topic
  }

  /// Those of these channels, by address or label, that are joined and have this node as a member, by their addresses.
  func memberships(among names: [String]) -> [ByteString] {
    names.compactMap { joinedChannel(named: $0) }.map(\.address).filter { address in
      guard derived[address] != nil else { return false }
      return !ChannelSource.isDocument(address) || documents[address]?.member(node) != nil
    }
  }

  /// The joined channel with this address or label; nil if there is none.
  func joinedChannel(named name: String) -> JoinedChannel? {
    let address = JoinedChannel.followingLatest(ByteString(name))
    return joined.first { $0.address == address } ?? joined.first { documents[$0.address]?.label == address }
  }

  func stop() { refresher?.cancel() }
}
