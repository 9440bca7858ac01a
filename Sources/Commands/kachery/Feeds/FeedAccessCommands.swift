import Primitives

extension Command {
  /// `kachery feed grant`
  static let feedGrant = Command(
    name: "feed grant", usage: "FEED/SUBFEED NODE-ID…",
    summary: "Lets other nodes submit messages to a subfeed that this node writes.",
    details: "'kachery-p2p-node-info' on the other machine prints its node's ID.\n\(NamedFeed.explanation)",
    options: NamedFeed.options + [json, quiet], examples: ["kachery feed grant lab-notes/requests 1f0c…"],
    run: { (arguments) throws(KacheryError) in try setWriteAccess(true, arguments) })

  /// `kachery feed revoke`
  static let feedRevoke = Command(
    name: "feed revoke", usage: "FEED/SUBFEED NODE-ID…",
    summary: "Undoes 'kachery feed grant': messages from these nodes are refused from now on.",
    options: NamedFeed.options + [json, quiet], examples: ["kachery feed revoke lab-notes/requests 1f0c…"],
    run: { (arguments) throws(KacheryError) in try setWriteAccess(false, arguments) })

  private static func setWriteAccess(_ mayWrite: Bool, _ arguments: Arguments) throws(KacheryError) -> ExitCode {
    var nodes: [NodeID] = []
    for text in arguments.operands.dropFirst() {
      guard let node = NodeID(hex: text) else {
        throw KacheryError(.badRequest, "'\(text)' is not a node ID, which has 64 hexadecimal digits.")
      }
      nodes.append(node)
    }
    guard !nodes.isEmpty else { throw KacheryError(.badRequest, "The node's ID is missing.") }
    let client = try FeedClient.require()
    let subfeed = try NamedFeed(arguments, client).key()
    let old = try client.rules(of: subfeed)
    // A node without a rule may not write: there is nothing to revoke.
    let changed = nodes.filter { node in mayWrite || old.rules.contains { $0.node == node } }
    let rules = AccessRules(
      old.rules.filter { !nodes.contains($0.node) } + changed.map { AccessRules.Rule(node: $0, mayWrite: mayWrite) })
    try client.setRules(rules, of: subfeed)
    if arguments.has("--json") { Console.result(rules.json.compact) }
    let writers = rules.rules.filter(\.mayWrite).count
    if !arguments.has("--json"), !arguments.has("--quiet") {
      Console.note(
        writers == 0
          ? "No other node may submit messages now."
          : "\(writers) other node\(writers == 1 ? "" : "s") may submit messages now.")
    }
    return .done
  }
}
