import Discovery
import Primitives
import Transfer
import Wire

/// The evidence for a diagnosis, in lines for people.
struct DiagnosisEvidence {
  let load: LoadDiagnosis
  /// Most nodes named in one kind of line; more would add nothing.
  private static let maximumNodes = 20

  private var core: NodeCore { load.core }

  /// Most important first.
  var lines: [String] { sources + answers + members + links + clocks + channels }

  private var sources: [String] {
    let progress = (load.progress?.sources ?? []).map { source in
      let rate = source.bytesPerSecond.map { "\(Quantity.bytes($0))/s" } ?? "not known yet"
      let silence =
        source.silence >= .seconds(2) ? "; it has sent nothing for \(Self.time(source.silence))" : ""
      guard let wait = source.wait else {
        let path = relay(to: source.node).map { " through \($0)" } ?? ""
        return "\(load.name(source.node)) sends it\(path); its rate: \(rate)\(silence)"
      }
      return "\(load.name(source.node)) has it, and this node waits for its turn there: \(Self.describe(wait))"
    }
    let losses = load.history.losses.sorted { $0.key < $1.key }.map { node, loss in
      "\(load.name(node)) \(Self.describe(loss))"
    }
    return progress + losses.prefix(Self.maximumNodes)
  }

  /// The node through which the link to this one leads; nil if it is direct.
  private func relay(to node: NodeID) -> String? {
    core.peers.peer(of: node)?.facts.remote?.relayNode.map { load.name($0) }
  }

  private static func describe(_ wait: LoadProgress.Wait) -> String {
    let time = "for \(Self.time(wait.time)) so far"
    guard let others = wait.others else {
      return "the source has reached its limit on transfers and is asked again every few seconds, \(time)"
    }
    return "the source limits its rate, and \(others) other\(others == 1 ? " waits" : "s wait"), \(time)"
  }

  private static func describe(_ loss: FileHistory.Loss) -> String {
    switch loss {
    case .misbehaved: "sent wrong bytes for this file, and is not asked for it again for 10 minutes"
    case .refused(let refusal): "refused a request for bytes: \(describe(refusal))"
    case .silent: "sent nothing for 20 s and was dropped"
    case .disconnected: "was lost while it was sending the file"
    }
  }

  private var answers: [String] {
    load.history.answers.sorted { $0.key < $1.key }.prefix(Self.maximumNodes).map { node, answer in
      switch answer {
      case .none: "\(load.name(node)) has not answered"
      case .has(let file) where !file.isWhole: "\(load.name(node)) is loading the file itself"
      case .has(let file):
        "\(load.name(node)) says that it has the file, \(Quantity.bytes(Double(file.size)))"
          + (relay(to: node).map { "; it is linked through \($0)" } ?? "")
      case .refused(.notAuthorized):
        "\(load.name(node)) is \(core.peers.isLinked(node) ? "linked" : "gone"), refuses: this node is not in its list"
      case .refused(let refusal): "\(load.name(node)) says: \(Self.describe(refusal))"
      }
    }
  }

  private static func describe(_ refusal: Refusal) -> String {
    switch refusal {
    case .notHere: "not here"
    case .outOfRange: "the range is not in the file"
    case .tooLarge: "the file is too large for a batch"
    case .unreadable: "the file is here but cannot be read"
    case .limitReached: "this node is serving its maximum number of transfers"
    case .notAuthorized: "this node is not in its list"
    case .changed: "the file was a link, and its target has changed"
    case .unproven: "it lacks the writer's statement about the subfeed"
    case .damaged: "its copy was damaged and was set aside"
    }
  }

  private var members: [String] {
    let members = load.unreachable.prefix(Self.maximumNodes).map { node, problem in
      "\(load.name(node)) announced itself at \(problem.address), but connecting fails: \(problem.reason)"
    }
    return members
      + load.unreachableBootstraps.map { "bootstrap node \($0.address) cannot be reached: \($0.reason)" }
  }

  private var links: [String] {
    core.reputation.refusals.prefix(Self.maximumNodes).map { node, goodbye in
      "the link to \(load.name(node)) was refused: \(goodbye.reason)"
    } + load.notices.prefix(Self.maximumNodes).map(\.summary)
  }

  private var clocks: [String] {
    let apart = core.reputation.clocks(apartBy: 60).prefix(Self.maximumNodes).map { node, offset in
      let isRejected = load.clocks.strangers.contains(node)
      return "the clock of \(load.name(node)) is \(ClockComparison.relation(offset)) this machine's"
        + (isRejected ? ", so each rejects what the other announces" : "")
    }
    return apart.isEmpty ? [agreement] : apart
  }

  /// What is known about the clocks if none is far from this machine's.
  private var agreement: String {
    guard let difference = load.clocks.largestDifference else { return "clocks: no other node's is known yet" }
    let (count, most) = (load.clocks.count, Quantity.age(Int(clamping: difference)))
    return
      "clocks: \(count == 1 ? "the other node's agrees" : "those of \(count) other nodes agree") with this machine's "
      + "within \(most)"
  }

  private static func time(_ time: Duration) -> String { Quantity.age(Int(time.components.seconds)) }

  private var channels: [String] {
    load.channels.map { channel in
      let online = core.peers.linked.filter { $0.proven.contains(channel.topic) }
      let askable = online.count { core.membership.askableTopics(of: $0).contains(channel.topic) }
      let names = online.prefix(Self.maximumNodes).map { peer in
        let isListed = channel.lists(peer.node) ? "" : ", which its document does not list"
        return "\(load.name(peer.node))\(isListed)"
      }
      let whom = names.isEmpty ? "" : ": \(names.joined(separator: "; "))"
      let count = "\(online.count) other member\(online.count == 1 ? "" : "s") linked, \(askable) may be asked\(whom)"
      switch channel.membership {
      case .byDocument(nil): return "channel \(channel.address): its document could not be read yet"
      case .byDocument where !channel.lists(core.node):
        return "channel \(channel.address): its document does not list this node; \(count)"
      default: return "channel \(channel.address): \(count)"
      }
    }
  }
}
