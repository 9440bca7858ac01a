import Crypto
import Discovery
import Feeds
import NodeCore
import Primitives
import TestSupport
import Transfer

/// Files, batches and feeds on the same nodes and links, with faults drawn from a seed: broken links, further links of
/// several kinds that come, degrade and go, nodes that are isolated or restarted, some of them behind a NAT, channels that are left, members that a
/// channel document no longer lists, a node that lies.
/// Then the faults end: everything available must arrive, and afterwards nothing may be left over.
final class MixedRun {
  private static let open = Channel(address: "open", membership: .byName)

  /// A subfeed and the node that writes it.
  private struct Subfeed {
    let key: SubfeedKey
    let writer: SimNode
  }

  private struct Submitted {
    let node: SimNode
    let life: Int
    let id: SubmitID
    let text: String
    let subfeed: Subfeed
  }

  let lab: Lab
  private var random: SeededRandom
  /// The node that may lie; nil if all are honest.
  private var liar: SimNode?
  private var files: [[UInt8]] = []
  private var smallFiles: [[UInt8]] = []
  private var subfeeds: [Subfeed] = []
  private var loads: [(node: SimNode, life: Int, id: LoadID)] = []
  private var batches: [(node: SimNode, life: Int, batch: SimBatch)] = []
  private var submissions: [Submitted] = []
  private var followed: [NodeID: [SubfeedKey]] = [:]
  private var appended: [SubfeedKey: Int] = [:]
  private var complaints: [String] = []
  /// What all members relay for each other.
  private let offered: RelayedTraffic?
  private var faultsEndedAt = Instant(nanoseconds: 0)

  init(seed: UInt64, keepsTrace: Bool = false) throws {
    random = SeededRandom(seed: seed &* 0x1000 &+ 99)
    offered = [nil, .messages, .everything][Int(seed % 3)]
    lab = try Lab(
      seed: seed, members: random.number(3...5), channel: Self.open,
      manifestThreshold: UInt64(random.number(1...3)) * 1_000, keepsTrace: keepsTrace)
    if random.chance(40) { liar = lab.members[random.number(0...lab.members.count - 1)] }
    for node in lab.members {
      node.isBehindNAT = random.chance(30)
      node.blockSize = random.number(50...2_000)
      node.blockTime = .milliseconds(random.number(1...40))
      node.join(try channels())
    }
    for _ in 0..<random.number(1...3) {
      files.append(random.bytes([0, 1, 1_000, 3_001, 7_500, 12_345, 40_000][random.number(0...6)]))
    }
    for _ in 0..<random.number(3...20) { smallFiles.append(random.bytes(random.number(0...1_500))) }
    for bytes in files + smallFiles { store(bytes) }
    try makeFeeds()
    if let liar { corrupt(liar) }
  }

  private var network: SimNetwork { lab.network }
  private var honest: [SimNode] { lab.members.filter { $0 !== liar } }

  /// The channels of a node: one by name, and one whose document lists every member except `unlisted`.
  private func channels(without unlisted: SimNode? = nil) throws -> [Channel] {
    let members = lab.members.filter { $0 !== unlisted }.map { ChannelDocument.Member(node: $0.id, isDataProxy: true) }
    let document = ChannelDocument(label: "lab", bootstrapAddresses: [], members: members)
    return [
      Channel(address: Self.open.address, membership: .byName, offered: offered),
      Channel(address: "https://example.org/lab.yaml", membership: .byDocument(document), offered: offered),
    ]
  }

  private func any(_ nodes: [SimNode]) -> SimNode { nodes[random.number(0...nodes.count - 1)] }

  /// Stores a file at one honest node, and perhaps at others.
  private func store(_ bytes: [UInt8]) {
    let holder = any(honest)
    let chunkSize = bytes.count > 2_000 && random.chance(70) ? [500, 1_000, 1_777][random.number(0...2)] : nil
    for node in lab.members where node === holder || random.chance(30) {
      node.store.store(bytes, chunkSize: chunkSize)
    }
  }

  private func makeFeeds() throws {
    for number in 0..<random.number(1...2) {
      let writer = any(honest)
      let signer = try KeyRing.key(220 + number)
      let feed = FeedID(key: signer.publicKey)
      writer.feeds.keys[feed] = signer
      for name in ["main", "other"].prefix(random.number(1...2)) {
        subfeeds.append(Subfeed(key: SubfeedKey(feed, try SubfeedHash(name: .string(name))), writer: writer))
      }
    }
  }

  private func corrupt(_ node: SimNode) {
    let conducts = Conduct.allCases.filter { $0 != .honest && $0 != .misdescribes }
    node.conduct = conducts[random.number(0...conducts.count - 1)]
    node.feeds.alters = random.chance(50)
  }

  // MARK: Faults

  /// Plays random events, then ends the faults and judges the result.
  ///
  /// - Returns: what went wrong.
  func play() throws -> [String] {
    for _ in 0..<random.number(4...16) {
      _ = network.clock.run(for: .milliseconds(random.number(0...1_500)))
      try happen()
    }
    try endFaults()
    try bringEverything()
    try judge()
    leaveNothing()
    return complaints + network.complaints
  }

  private func happen() throws {
    let what = random.number(0...19)
    network.note("event \(what)")
    switch what {
    case 0, 1: load()
    case 2, 3: loadBatch()
    case 4, 5: try append(random.number(1...8))
    case 6, 7: follow()
    case 8: submitOrSeek()
    case 9: network.link(between: any(lab.members), and: any(lab.members))?.cut()
    case 10: isolate()
    case 11, 12: restart()
    case 13, 14: try withdraw()
    case 15, 16: openPath()
    case 17, 18: degrade()
    default: giveUp()
    }
  }

  private func load() {
    let (node, bytes) = (any(lab.members), files[random.number(0...files.count - 1)])
    guard node.store.files[.of(bytes)] == nil else { return }
    loads.append((node, node.life, node.load(FileKey(hash: .of(bytes)))))
  }

  private func loadBatch() {
    let node = any(lab.members)
    var wanted = smallFiles.filter { _ in random.chance(60) }.map { ContentHash.of($0) }
    if random.chance(20) { wanted.append(.of(random.bytes(30))) }
    wanted = wanted.filter { node.store.files[$0] == nil }
    batches.append((node, node.life, node.loadBatch(wanted)))
  }

  private func append(_ count: Int) throws {
    let subfeed = subfeeds[random.number(0...subfeeds.count - 1)]
    let texts = (0..<count).map { "message \(appended[subfeed.key, default: 0] + $0)" }
    appended[subfeed.key, default: 0] += count
    try subfeed.writer.feeds.append(texts, to: subfeed.key)
  }

  private func follow() {
    let (node, key) = (any(lab.members), subfeeds[random.number(0...subfeeds.count - 1)].key)
    if let place = followed[node.id]?.firstIndex(of: key), random.chance(50) {
      followed[node.id]?.remove(at: place)
      return node.feeds.unfollow(key)
    }
    followed[node.id, default: []].append(key)
    node.feeds.follow(key)
  }

  private func submitOrSeek() {
    let (node, subfeed) = (any(lab.members), subfeeds[random.number(0...subfeeds.count - 1)])
    let time: Duration = .seconds(random.number(1...20))
    guard random.chance(60), node !== subfeed.writer else { return node.feeds.seek(subfeed.key.feed, for: time) }
    let text = "word \(submissions.count) of \(node.name)"
    let id = node.feeds.submit(text, to: subfeed.key, for: time)
    submissions.append(Submitted(node: node, life: node.life, id: id, text: text, subfeed: subfeed))
  }

  /// A further path between two nodes is found: another kind, another speed.
  private func openPath() {
    let kind = PathKind.allCases[random.number(0...PathKind.allCases.count - 1)]
    network.openPath(
      any(lab.members), any(lab.members), kind, latency: .milliseconds(random.number(1...150)),
      rate: random.chance(50) ? random.number(20_000...200_000) : nil)
  }

  /// A link becomes slower or faster, carries nothing for a while, or breaks.
  private func degrade() {
    let links = network.links(between: any(lab.members), and: any(lab.members))
    guard !links.isEmpty else { return }
    let link = links[random.number(0...links.count - 1)]
    switch random.number(0...2) {
    case 0: link.latency = .milliseconds(random.number(1...300))
    case 1:
      link.fallSilent()
      network.clock.after(.milliseconds(random.number(500...14_000))) { link.recover() }
    default: link.cut()
    }
  }

  private func isolate() {
    let node = any(lab.members)
    network.isolate(node)
    network.clock.after(.seconds(random.number(1...40))) { [network] in network.heal(node) }
  }

  private func restart() {
    let node = any(lab.members + [lab.bootstrap])
    network.restart(node, node.channels)
    for key in followed[node.id] ?? [] { node.feeds.follow(key) }
  }

  /// A node leaves a channel, or its channel document no longer lists one of the members.
  private func withdraw() throws {
    let node = any(lab.members)
    var joined = try channels(without: random.chance(50) ? any(lab.members) : nil)
    if random.chance(50) { joined.remove(at: random.number(0...1)) }
    if random.chance(15) { joined = [] }
    node.join(joined)
  }

  private func giveUp() {
    if random.chance(50), let (node, life, load) = loads.popLast(), node.life == life, node.outcomes[load] == nil {
      node.cancel(load)
    } else if let (_, _, batch) = batches.popLast() {
      batch.close()
    }
  }

  // MARK: The end of the faults

  private func endFaults() throws {
    faultsEndedAt = network.clock.now
    for node in lab.members {
      network.heal(node)
      node.join(try channels())
    }
    _ = network.clock.run(for: .seconds(90))
    for one in lab.members {
      for other in lab.members where other !== one {
        _ = network.clock.run(for: .seconds(120)) { one.isLinked(to: other) }
        if !one.isLinked(to: other) { complaints.append("\(one.name) and \(other.name) do not connect") }
      }
    }
  }

  /// Every honest node loads and follows everything.
  private func bringEverything() throws {
    let started = network.clock.now
    for subfeed in subfeeds {
      try subfeed.writer.feeds.append(["last"], to: subfeed.key)
      for node in honest where followed[node.id]?.contains(subfeed.key) != true {
        followed[node.id, default: []].append(subfeed.key)
        node.feeds.follow(subfeed.key)
      }
    }
    for node in honest {
      for hash in files.map({ ContentHash.of($0) }) where node.store.files[hash] == nil {
        loads.append((node, node.life, node.load(FileKey(hash: hash))))
      }
      batches.append(
        (node, node.life, node.loadBatch(smallFiles.map { .of($0) }.filter { node.store.files[$0] == nil })))
    }
    _ = network.clock.run(for: .seconds(400)) { hasEverything }
    network.note("everything after \(network.clock.now - started)")
  }

  private var hasEverything: Bool {
    loads.allSatisfy { $0.node.life != $0.life || $0.node.outcomes[$0.id] != nil }
      && batches.allSatisfy { $0.node.life != $0.life || $0.batch.isDone }
      && subfeeds.allSatisfy { subfeed in
        let count = subfeed.writer.feeds.messages[subfeed.key]?.count ?? 0
        return honest.allSatisfy { $0.feeds.messages[subfeed.key]?.count ?? 0 >= count }
      }
  }

  // MARK: Judging

  private func judge() throws {
    for (node, life, load) in loads where node.life == life && node.outcomes[load] == nil {
      complaints.append("a load of \(node.name) hangs")
    }
    for (node, life, batch) in batches where node.life == life && !batch.isDone {
      complaints.append("a batch of \(node.name) hangs")
    }
    for node in honest {
      for bytes in files + smallFiles where node.store.files[.of(bytes)] == nil {
        let diagnosis = node.diagnose(FileKey(hash: .of(bytes)))
        complaints.append(
          "\(node.name) has no file of \(bytes.count) bytes: \(diagnosis.summary) \(diagnosis.evidence)")
      }
      let accused = node.liars.union(node.feeds.offenders).subtracting(liar.map { [$0.id] } ?? [])
      if !accused.isEmpty { complaints.append("\(node.name) accuses honest nodes") }
    }
    for node in lab.members {
      for (hash, bytes) in node.store.files where ContentHash.of(bytes) != hash {
        complaints.append("\(node.name) has admitted other bytes for \(hash)")
      }
    }
    judgePaths()
    for subfeed in subfeeds { judge(subfeed) }
    for submission in submissions { judge(submission) }
  }

  /// Both ends of two nodes use the same link, and have not changed it often.
  private func judgePaths() {
    let nodes = lab.members + [lab.bootstrap]
    for (place, one) in nodes.enumerated() {
      for other in nodes[(place + 1)...] {
        let (here, there) = (one.preferredLink(to: other), other.preferredLink(to: one))
        if here !== there { complaints.append("\(one.name) and \(other.name) use different links") }
        if network.countLinks(between: one, and: other) > NodeCore.maximumLinksOfNode {
          complaints.append("\(one.name) and \(other.name) have too many links")
        }
        // The faults end more than a minute before.
        for (node, peer) in [(one, other), (other, one)] {
          let late = (node.changes[peer.id] ?? []).filter { $0 > faultsEndedAt + .seconds(60) }
          let minutes = Int((network.clock.now - faultsEndedAt) / .seconds(60))
          if late.count > 2 * (minutes + 1) {
            complaints.append("\(node.name) changes the link \(late.count) times")
          }
        }
      }
    }
  }

  private func judge(_ subfeed: Subfeed) {
    let written = subfeed.writer.feeds.texts(of: subfeed.key)
    for node in lab.members {
      let here = node.feeds.texts(of: subfeed.key)
      if node !== liar, here != written {
        complaints.append("\(node.name) has \(here.count) of \(written.count) messages of \(subfeed.key)")
      }
      if here != Array(written.prefix(here.count)) {
        complaints.append("\(node.name) has messages that were not written")
      }
    }
  }

  /// No submission is appended twice. One that was reported as appended is appended, and a refused one is not.
  private func judge(_ submission: Submitted) {
    let count = submission.subfeed.writer.feeds.texts(of: submission.subfeed.key).count { $0 == submission.text }
    if count > 1 { complaints.append("'\(submission.text)' was appended \(count) times") }
    guard submission.node.life == submission.life, let outcome = submission.node.feeds.submitted[submission.id] else {
      return
    }
    switch outcome?.code {
    case nil where count != 1: complaints.append("'\(submission.text)' was not appended, but was reported as appended")
    case .noMemberOnline? where count != 0, .refusedByPeer? where count != 0:
      complaints.append("'\(submission.text)' was appended, but was reported as not appended")
    default: break
    }
  }

  /// All clients leave; what was kept for them must be released.
  private func leaveNothing() {
    for (node, life, load) in loads where node.life == life && node.outcomes[load] == nil { node.cancel(load) }
    for node in lab.members {
      for key in followed[node.id] ?? [] { node.feeds.unfollow(key) }
    }
    _ = network.clock.run(for: .seconds(80))
    for node in lab.members {
      complaints += node.feeds.leftovers + node.leftovers.map { "\(node.name) still has \($0)" }
    }
  }
}
