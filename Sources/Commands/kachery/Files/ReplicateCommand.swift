import APIModel
import Primitives

extension Command {
  /// `kachery replicate`
  static let replicate = Command(
    name: "replicate", usage: "URI…", summary: "Asks other nodes to keep a copy, for when this node is off.",
    details: """
      The files must be on this node. Those members of its channels are asked that relay files for others (they joined
      with --data-proxy), and each keeps what its owner's --replica-limit allows. For a folder, sha1dir://…, its document and
      every file below it are replicated. The command waits until the copies are made, and succeeds if at least one node
      keeps each file.
      """,
    options: [
      Option("--channel", "NAME", "ask only the members of this channel"),
      Option("--node", "NODE", "ask only this node, by its ID"), json, quiet,
    ],
    examples: [
      "kachery replicate sha1://…/recording.bin", "kachery replicate --channel lab.example sha1dir://….session7",
    ],
    run: { (arguments) throws(KacheryError) in
      let selection = try StoredSelection.required(arguments, from: .here)
      let request = ReplicationRequest(
        hashes: selection.all, node: try arguments.node("--node"), channel: arguments.value("--channel"))
      var report = ReplicationReport(arguments: arguments)
      try DaemonClient.require().messages("/v1/replicate", request.json) { report.receive($0) }
      return try report.outcome()
    })
}

/// The messages of `/v1/replicate`, as they arrive.
private struct ReplicationReport {
  let arguments: Arguments
  private var failures = 0
  private var end = StreamEnd()

  init(arguments: Arguments) { self.arguments = arguments }

  private var isForPeople: Bool { !arguments.has("--json") && !arguments.has("--quiet") }

  mutating func receive(_ message: JSONValue) -> Bool {
    if arguments.has("--json") { Console.result(message.compact) }
    let hash = message["sha1"]?.string ?? ""
    switch message["type"]?.string {
    case "answer":
      let state = message["state"]?.string ?? ""
      if isForPeople { show(state, of: hash, message) }
    case "failed":
      failures += 1
      if !arguments.has("--json") { Console.error(message["reason"]?.string ?? "No other node keeps \(hash).") }
    default: return end.receive(message)
    }
    return true
  }

  /// What a node does with a file. Loading is shown only on a terminal, where it explains the wait.
  private func show(_ state: String, of hash: String, _ message: JSONValue) {
    let node = message.nodeForPeople
    let reason = message["reason"]?.string ?? ""
    let why = reason.isEmpty ? "" : ": \(reason.printable)"
    switch state {
    case "kept": Console.result("\(hash)  kept by \(node)")
    case "loading": if Console.isInteractive { Console.note("\(node) is loading \(hash.prefix(8))…") }
    case "off": Console.note("\(node) keeps nothing for members; its owner can allow it by --replica-limit.")
    case "notAuthorized": Console.note("\(node) keeps nothing for this node: it does not relay files for its channels.")
    case "noRoom": Console.note("\(node) has no room for \(hash.prefix(8))\(why).")
    default: Console.note("\(node) could not make a copy of \(hash.prefix(8))\(why).")
    }
  }

  func outcome() throws(KacheryError) -> ExitCode {
    try end.check()
    return failures == 0 ? .done : .failed
  }
}
