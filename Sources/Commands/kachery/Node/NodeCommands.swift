import APIModel
import ContentStore
import Crypto
import Primitives

extension Command {
  /// `kachery info`
  static let info = Command(
    name: "info", usage: "", summary: "Shows which daemon answers, and whether you may use it.",
    details: "With KACHERY_OFFLINE_STORAGE_DIR set, it shows that directory; no daemon is asked.",
    options: [json] + publishedInfo,
    examples: ["kachery-info"],
    run: { (arguments) throws(KacheryError) in
      if let store = try Storage.namedOffline() { return describe(store, arguments) }
      guard var probe = try DaemonClient.whoAnswers() else { throw DaemonClient.missing("") }
      var refusal: KacheryError?
      do throws(KacheryError) { probe = try DaemonClient.require().currentProbe() } catch { refusal = error }
      guard !arguments.has("--json") else {
        var fields = probe.json.object ?? [:]
        fields["hasAccess"] = .bool(refusal == nil)
        Console.result(JSONValue.object(fields).compact)
        return .done
      }
      let channels = probe.joinedChannels.map { JoinedChannel.shown($0.address) }.joined(separator: ", ")
      Console.result("Node ID: \(probe.node)")
      Console.result("Storage directory: \(probe.storageDirectory)")
      let withoutChannels = refusal == nil ? "none" : "shown only to those who have access"
      Console.result("Channels: \(channels.isEmpty ? withoutChannels : channels)")
      Console.result(refusal == nil ? "You have access to this daemon" : "You do not have access to this daemon")
      if let refusal { Console.note(refusal.message) }
      return .done
    })

  /// What there is to say without a daemon.
  private static func describe(_ store: ContentStore, _ arguments: Arguments) -> ExitCode {
    if arguments.has("--json") {
      Console.result((["storageDirectory": .string(store.directory), "isOffline": true] as JSONValue).compact)
    } else {
      Console.result("Storage directory: \(store.directory)")
      Console.result("Offline: \(Storage.offlineVariable) is set, so commands use this directory and no daemon")
    }
    return .done
  }

  /// `kachery daemon peers`
  static let daemonPeers = Command(
    name: "daemon peers", usage: "", summary: "Lists the nodes linked to this one, and the paths to them.",
    details: """
      An asterisk marks the path in use. Each path has its kind, its address or relay, the reason why it is used or not,
      the round trip, the bytes and their current rate in each direction, its age, and the node that opened it. With
      --json, each node is one line. Problems with other nodes, and what helps, follow the list.
      """,
    options: [json], examples: ["kachery daemon peers"],
    run: { (arguments) throws(KacheryError) in
      let answer = try DaemonClient.require().get("/v1/peers")
      let list = PeerList(peers: answer["peers"]?.array ?? [])
      guard !arguments.has("--json") else {
        Console.results(list.peers.map(\.compact))
        return .done
      }
      Console.results(list.lines(width: Console.pageWidth) + NoticeList(answer).lines(width: Console.pageWidth))
      Console.note(list.summary)
      return .done
    })

  /// `kachery generate-node-id`
  static let generateNodeID = Command(
    name: "generate-node-id", usage: "", summary: "Generates a node ID and its private key, and prints both.",
    details: "Nothing is stored. The key is a 32-byte Ed25519 seed (RFC 8032) in hexadecimal digits.",
    options: [json], examples: ["kachery-client generate-node-id"],
    run: { (arguments) throws(KacheryError) in
      let key = try SigningKey.generate()
      let seed = Hex.encode(key.seed)
      guard !arguments.has("--json") else {
        Console.result((["nodeId": .string(key.publicKey.hex), "privateKey": .string(seed)] as JSONValue).compact)
        return .done
      }
      Console.result("Random node ID: \(key.publicKey)")
      Console.result("Corresponding private key (hex): \(seed)")
      return .done
    })
}
