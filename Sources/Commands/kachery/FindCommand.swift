import APIModel
import Primitives

extension Command {
  /// `kachery find`
  static let find = Command(
    name: "find", usage: "URI", summary: "Lists the nodes that have a file, this one first.",
    options: [Option("--timeout", "SECONDS", "wait this long for answers (4)"), json],
    examples: ["kachery-p2p-find sha1://…/recording.bin"],
    run: { (arguments) throws(KacheryError) in
      let uri = try KacheryURI(parsing: try arguments.operand("URI"))
      let client = try DaemonClient.require()
      let timeout = try arguments.seconds("--timeout") ?? .seconds(4)
      var count = 0
      try client.messages(
        "/findFile", ["fileKey": uri.key.json, "timeoutMsec": .integer(Int64(timeout.wholeMilliseconds))]
      ) { message in
        count += 1
        Console.result(arguments.has("--json") ? message.compact : describe(message, client.probe.node))
        return true
      }
      guard count > 0 else {
        throw KacheryError(.notFound, "No node that is online and may be asked has the file \(uri.key.hash).")
      }
      return .done
    })

  private static func describe(_ message: JSONValue, _ own: NodeID) -> String {
    let node = message["nodeId"]?.string ?? ""
    let size = message["fileSize"]?.unsigned ?? 0
    return "\(node)  \(ProgressBar.bytes(Double(size)))\(node == own.hex ? "  (this node)" : "")"
  }
}
