import Discovery
import Primitives
import Transfer
import Wire

/// Why a query for a file has no result, from what the node knows. Asks no other node and changes nothing.
struct LoadDiagnosis {
  let core: NodeCore
  let query: FileQuery
  let now: Timestamps
  /// Bytes available on the disk; nil if unknown.
  let room: UInt64?
  let channels: [Channel]
  let history: FileHistory
  let progress: LoadProgress?
  /// What the owner should change at this node, or at another one.
  let notices: [NodeNotice]

  init(_ core: NodeCore, _ query: FileQuery, room: UInt64?, at now: Timestamps) {
    self.core = core
    self.query = query
    self.now = now
    self.room = room
    channels = core.membership.inOrder.filter { query.topic == nil || $0.topic == query.topic }
      .sorted { $0.address < $1.address }
    history = core.transferEngine.history(of: query.key.hash, at: now.instant) ?? FileHistory()
    progress = core.transferEngine.progress(of: query.key.hash, at: now.instant)
    notices = core.currentNotices(at: now)
  }

  var diagnosis: Diagnosis {
    var diagnosis = cause
    diagnosis.evidence += DiagnosisEvidence(load: self).lines
    if diagnosis.advice.isEmpty, let known = diagnosis.code.flatMap({ ErrorExplanation.of($0) }) {
      diagnosis.advice = [known.remedy]
    }
    return diagnosis
  }

  /// Most nodes named in a sentence.
  private static let maximumNames = 3

  // MARK: Known nodes

  /// The nodes that may be asked, or have been.
  var askable: [NodeID] {
    let linked = core.peers.linked.filter { peer in
      (query.node == nil || query.node == peer.node)
        && core.membership.askableTopics(of: peer).contains { topic in channels.contains { $0.topic == topic } }
    }
    return Set(linked.map(\.node)).union(history.answers.keys).sorted()
  }

  /// Members that have announced themselves and have not said goodbye, but cannot be connected to.
  var unreachable: [(node: NodeID, problem: DialProblem)] {
    let members = channels.flatMap { channel in
      core.introductions.members(of: channel.topic, except: core.node, at: now.wall)
        .filter { channel.permits(core.node, toAsk: $0.node, serverIsPublic: true) }.map(\.node)
    }
    return Set(members).sorted().filter { node in
      !core.peers.isLinked(node) && !core.reputation.hasDeparted(node) && (query.node == nil || query.node == node)
    }.compactMap { node in core.dials.problem(with: .member(node)).map { (node, $0) } }
  }

  /// Bootstrap nodes that cannot be connected to.
  var unreachableBootstraps: [DialProblem] {
    core.dials.wanted.compactMap { target in
      if case .bootstrap = target { core.dials.problem(with: target) } else { nil }
    }
  }

  var holders: [NodeID] {
    history.answers.filter { if case .has(let file) = $0.value { file.isWhole } else { false } }.keys.sorted()
  }

  var clocks: ClockComparison { core.reputation.clocks }

  func name(_ node: NodeID) -> String { core.name(of: node) }

  // MARK: The cause

  private var cause: Diagnosis {
    guard !channels.isEmpty else {
      return Diagnosis(.noChannel, "The file is not on this node, and the node has joined no channel.")
    }
    if let progress {
      let isDelayed = !progress.sources.isEmpty && progress.sources.allSatisfy { $0.wait != nil }
      return Diagnosis(isDelayed ? .sourceBusy : nil, describe(progress))
    }
    if !holders.isEmpty { return causeAmongHolders }
    if let refused = weightiestRefusal { return diagnosis(of: refused.refusal, by: refused.node) }
    if let lost = history.losses.keys.min() { return diagnosis(ofLoss: lost) }
    return causeWithoutSource
  }

  private var causeAmongHolders: Diagnosis {
    let size = holders.compactMap { node in
      if case .has(let file) = history.answers[node] { file.size } else { nil }
    }.max()
    let sound = holders.filter { history.losses[$0] == nil && core.peers.isLinked($0) }
    guard let first = sound.first else { return diagnosis(ofLoss: weightiestLoser) }
    if let size, let room, query.key.chunkOf == nil, size > room {
      return Diagnosis(
        .diskFull,
        "The file needs \(Quantity.bytes(Double(size))), but the disk with this node's storage directory has room for only "
          + "\(Quantity.bytes(Double(room))).")
    }
    let others = sound.count > 1 ? " and \(sound.count - 1) more" : ""
    return Diagnosis(nil, "The file can be loaded: \(name(first))\(others) \(sound.count > 1 ? "have" : "has") it.")
  }

  /// The holder whose failure is the most informative.
  private var weightiestLoser: NodeID {
    let order: (FileHistory.Loss?) -> Int = { loss in
      switch loss {
      case .misbehaved: 0
      case .refused: 1
      case .silent: 2
      case .disconnected, nil: 3
      }
    }
    return holders.min { (order(history.losses[$0]), $0) < (order(history.losses[$1]), $1) } ?? core.node
  }

  private var weightiestRefusal: (refusal: Refusal, node: NodeID)? {
    let order: [Refusal] = [.changed, .damaged, .unreadable, .limitReached, .notAuthorized]
    for refusal in order {
      let node = history.answers.filter { $0.value == .refused(refusal) }.keys.min()
      if let node { return (refusal, node) }
    }
    return nil
  }

  private var causeWithoutSource: Diagnosis {
    let asked = askable.count
    if asked == 0, let barred = barred { return barred }
    if asked == 0, !clocks.strangers.isEmpty { return skew }
    if let (node, problem) = unreachable.first {
      let relay = withoutRelay(to: node).map { " No relay leads there either: \($0)." } ?? ""
      return Diagnosis(
        .unreachable,
        "\(name(node).capitalizedFirst), which may have the file, cannot be reached at \(problem.address): "
          + "\(problem.reason)\(relay)", advice: advice(toReach: node))
    }
    if let silent { return silent }
    guard asked == 0 else {
      let names = askable.prefix(Self.maximumNames).map(name).joined(separator: ", ")
      let more = asked > Self.maximumNames ? " and \(asked - Self.maximumNames) more" : ""
      let whom =
        asked == 1
        ? "the one member of its channels that was asked does not have it: \(names)"
        : "none of the \(asked) members of its channels that were asked has it: \(names)\(more)"
      return Diagnosis(.notFound, "The file is not on this node, and \(whom).")
    }
    if let problem = unreachableBootstraps.first, core.peers.isEmpty {
      return Diagnosis(
        .unreachable, "The bootstrap node \(problem.address), where members meet, cannot be reached: \(problem.reason)",
        advice: [
          "Check the address, and that the bootstrap node is running.",
          "kachery doctor tries each way to it, and says what helps.",
        ])
    }
    let whom = query.node.map { "\(name($0)) is not online on them" } ?? "no other member of its channels is online"
    return Diagnosis(.noMemberOnline, "The file is not on this node, and \(whom).", advice: adviceToMeet)
  }

  /// What helps if no member is met because this node knows no place where members meet, or is not introduced there;
  /// empty if that is not the reason.
  private var adviceToMeet: [String] {
    let isIntroduced = core.peers.linked.contains(where: \.isBootstrap)
    if !isIntroduced, let notice = notices.first(where: { $0.kind == .notBootstrap || $0.kind == .notIntroduced }) {
      return ["\(notice.summary)"] + notice.advice
    }
    let knowsBootstrap = core.dials.wanted.contains { if case .bootstrap = $0 { true } else { false } }
    guard !knowsBootstrap, !core.configuration.isBootstrap, !core.peers.linked.contains(where: \.isBootstrap) else {
      return []
    }
    return ["\(ErrorExplanation.noBootstrapNode)."] + (ErrorExplanation.of(.noMemberOnline).map { [$0.remedy] } ?? [])
  }

  /// Nodes that were asked and have not answered, such as stopped ones; nil if all have answered. Nothing is known about
  /// what they have.
  private var silent: Diagnosis? {
    let nodes = history.answers.filter { $0.value == .none }.keys.sorted()
    guard let first = nodes.first else { return nil }
    let who = nodes.count == 1 ? "\(name(first)) does" : "\(name(first)) and \(nodes.count - 1) more do"
    let others = nodes.count < askable.count ? ", no other member that was asked has it," : ""
    return Diagnosis(
      .timedOut, "The file is not on this node\(others) and \(who) not answer.",
      advice: ["Look whether that machine is stopped, suspended or overloaded, then try again."])
  }

  /// Why this node may ask no other node, according to its own channels; nil if it may.
  private var barred: Diagnosis? {
    guard channels.allSatisfy({ !$0.lists(core.node) }), let channel = channels.first else { return nil }
    if let unread = channels.first(where: { $0.membership == .byDocument(nil) }) {
      return Diagnosis(
        .channelUnreadable,
        "The file is not on this node, and the channel's document could not be read yet: \(unread.address).")
    }
    return Diagnosis(
      .notAuthorized,
      "The file is not on this node, and the channel \(channel.address) does not list this node (\(core.node)) among "
        + "its authorized nodes.")
  }

  private var skew: Diagnosis {
    if let error = clocks.ownError {
      return Diagnosis(
        .clockSkew,
        "This machine's clock is \(ClockComparison.relation(error)) those of the other nodes, so they and this node "
          + "reject each other's signed announcements.", advice: ["Set this machine's clock, preferably by NTP."])
    }
    let node = clocks.strangers.first ?? core.node
    let seconds = core.reputation.clockOffset(of: node) ?? 0
    return Diagnosis(
      .clockSkew,
      "The clock of \(name(node)) is \(ClockComparison.relation(seconds)) this machine's, so signed announcements are "
        + "rejected: one of the two is wrong.")
  }

  // MARK: Descriptions of one source

  func diagnosis(ofLoss node: NodeID) -> Diagnosis {
    switch history.losses[node] {
    case .misbehaved:
      Diagnosis(
        .hashMismatch,
        "\(name(node).capitalizedFirst) has a damaged copy of the file: its bytes do not have the requested "
          + "hash. Nothing was kept.",
        advice: ["Ask the node's owner to run kachery verify and store the file again, or load it from another node."])
    case .refused(let refusal): diagnosis(of: refusal, by: node)
    case .silent:
      Diagnosis(.timedOut, "\(name(node).capitalizedFirst), which has the file, is linked but sent nothing for 20 s.")
    case .disconnected, nil:
      core.dials.problem(with: .member(node)).map { problem in
        Diagnosis(
          .unreachable,
          "\(name(node).capitalizedFirst), which has the file, can no longer be reached at \(problem.address): "
            + "\(problem.reason)")
      }
        ?? Diagnosis(
          .disconnected,
          "The link to \(name(node)), which has the file, was lost during the transfer.")
    }
  }

  func diagnosis(of refusal: Refusal, by node: NodeID) -> Diagnosis {
    let who = name(node).capitalizedFirst
    switch refusal {
    case .notHere: return Diagnosis(.notFound, "\(who) had the file but no longer has it.")
    case .outOfRange:
      return Diagnosis(.hashMismatch, "\(who) has a file of another size than the requested one.")
    // This answers only a batch, and then the file is fetched in pieces.
    case .tooLarge: return Diagnosis(.protocolViolation, "\(who) says that the file is too large for the request.")
    // This answers only requests about feeds.
    case .unproven: return Diagnosis(.protocolViolation, "\(who) answers a request for a file as one for a feed.")
    case .unreadable: return Diagnosis(.sourceUnreadable, "\(who) has the file but cannot read it.")
    case .limitReached:
      return Diagnosis(.sourceBusy, "\(who) is serving its maximum number of transfers.")
    case .notAuthorized:
      return Diagnosis(
        .refusedByPeer,
        "\(who) is linked and refuses: this node (\(core.node)) is not in its list of the channel's members, or its "
          + "copy of the list is older.")
    case .changed:
      return Diagnosis(
        .sourceChanged, "\(who) had the file as a link, but its target has changed or was removed since.")
    case .damaged:
      return Diagnosis(.hashMismatch, "\(who) had the file, but its copy was damaged and was set aside there.")
    }
  }

  private func describe(_ progress: LoadProgress) -> String {
    let amount = Quantity.bytes(Double(progress.loaded))
    let total = progress.total.map { " of \(Quantity.bytes(Double($0)))" } ?? ""
    guard !progress.sources.isEmpty else {
      return
        "The file is being loaded, and this node is searching for a source: \(amount)\(total) are here."
    }
    let count = progress.sources.count
    let limit = progress.sources.allSatisfy { $0.wait != nil } ? ", waiting for the source's limit" : ""
    return
      "The file is being loaded from \(count) node\(count == 1 ? "" : "s")\(limit): \(amount)\(total) are here."
  }
}

extension String {
  /// The text with a capital first letter.
  fileprivate var capitalizedFirst: String { prefix(1).uppercased() + dropFirst() }
}
