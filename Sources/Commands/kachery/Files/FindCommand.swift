import APIModel
import ContentStore
import Primitives

extension Command {
  /// `kachery find`
  static let find = Command(
    name: "find", usage: "URI", summary: "Lists the nodes that have a file, this one first.",
    details: """
      Under its published names it prints each node as an indented JSON object, as it always has. With
      KACHERY_OFFLINE_STORAGE_DIR set, it says whether the file is in that directory.
      """,
    options: [Option("--timeout", "SECONDS", "wait this long for answers (4)"), json],
    examples: ["kachery find sha1://…/recording.bin"],
    run: { (arguments) throws(KacheryError) in
      guard let uri = try FileOperand(try arguments.operand("URI"), arguments).uri else {
        throw KacheryError(.badRequest, "'\(try arguments.operand("URI"))' is a file on this machine, not a URI.")
      }
      if let store = try Storage.namedOffline() { return try find(uri.key.hash, in: store, arguments) }
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

  /// Without a daemon no node is asked.
  private static func find(
    _ hash: ContentHash, in store: ContentStore, _ arguments: Arguments
  ) throws(KacheryError) -> ExitCode {
    guard let file = try store.find(hash) else {
      throw KacheryError(
        .notFound,
        "The file \(hash) is not in \(store.directory), which \(Storage.offlineVariable) names; unset it to ask nodes.")
    }
    let answer: JSONValue = [
      "storageDirectory": .string(store.directory), "fileKey": FileKey(hash: hash).json,
      "fileSize": .integer(Int64(clamping: file.size)),
    ]
    if arguments.has("--json") {
      Console.result(answer.compact)
    } else if arguments.isPublishedCall {
      Console.result(answer.indented)
    } else {
      Console.result("\(store.directory)  \(Quantity.bytes(Double(file.size)))  (\(Storage.offlineVariable))")
    }
    return .done
  }

  private static func describe(_ message: JSONValue, _ own: NodeID) -> String {
    let node = message["nodeId"]?.string ?? ""
    let size = message["fileSize"]?.unsigned ?? 0
    return "\(node)  \(Quantity.bytes(Double(size)))\(node == own.hex ? "  (this node)" : "")"
  }
}
