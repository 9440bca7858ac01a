import APIModel
import Primitives

extension Command {
  /// `kachery find`
  static let find = Command(
    name: "find", usage: "URI", summary: "Lists the nodes that have a file, this one first.",
    details: "Under its published names it prints each node as an indented JSON object, as it always has.",
    options: [Option("--timeout", "SECONDS", "wait this long for answers (4)"), json],
    examples: ["kachery find sha1://…/recording.bin"],
    run: { (arguments) throws(KacheryError) in
      guard let uri = try FileOperand(try arguments.operand("URI"), arguments).uri else {
        throw KacheryError(.badRequest, "'\(try arguments.operand("URI"))' is a file on this machine, not a URI.")
      }
      let client = try DaemonClient.require()
      let timeout = try arguments.seconds("--timeout") ?? .seconds(4)
      var count = 0
      try client.messages(
        "/findFile", ["fileKey": uri.key.json, "timeoutMsec": .integer(Int64(timeout.wholeMilliseconds))]
      ) { message in
        count += 1
        if arguments.has("--json") {
          Console.result(message.compact)
        } else {
          Console.result(arguments.isPublishedCall ? message.indented : describe(message, client.probe.node))
        }
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
    return "\(node)  \(Quantity.bytes(Double(size)))\(node == own.hex ? "  (this node)" : "")"
  }
}
