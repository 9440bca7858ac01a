import APIModel
import Primitives
import Process

extension Command {
  /// `kachery daemon start`
  static let daemonStart = Command(
    name: "daemon start", usage: "[OPTION…]", summary: "Runs the daemon, until Ctrl-C or stop-daemon.",
    details: """
      Environment: KACHERY_STORAGE_DIR (where files lie, ~/kachery-storage), KACHERY_P2P_CONFIG_DIR (where the node's key
      lies, ~/.kachery-p2p), KACHERY_P2P_API_PORT or KACHERY_DAEMON_PORT (the local API's port, 20431).
      """,
    options: daemonOptions,
    examples: [
      "kachery-p2p-start-daemon --label mouse-lab --bootstrap lab.example.org:14507",
      "kachery-p2p-start-daemon --label hub --isbootstrap --host lab.example.org",
    ],
    run: { (arguments) throws(KacheryError) in
      if let extra = arguments.operands.first { throw KacheryError(.badRequest, "'\(extra)' is too much.") }
      try runDaemon(arguments.passingOn(daemonOptions))
    })

  private static let daemonOptions = [
    Option("--label", "NAME", "the name that other nodes see (the host's name)"),
    Option("--port", "PORT", "where other nodes reach this one; 0 for any free port (0; a bootstrap node: 14507)"),
    Option("--host", "HOST", "the name or address under which other nodes reach this one, where they cannot see it"),
    Option("--bootstrap", "HOST:PORT", "a bootstrap node to meet others at; may stand several times"),
    Option("--channel", "NAME-OR-URL", "a channel to join; may stand several times"),
    Option("--isbootstrap", nil, "introduce nodes to each other"),
    Option("--auth-group", "GROUP", "let the members of this group use the daemon"),
    Option("--api-listen", "ADDRESS:PORT", "let programs on other machines use the daemon, over TLS and with a token"),
    Option("--limit-up", "MB/S", "serve other nodes no faster; by time of day: 50,08:00-18:00=5"),
    Option("--limit-down", "MB/S", "load no faster; written like --limit-up"),
    Option("--log-format", "FORMAT", "text, or json for a JSON object a line (text)"),
    Option(
      "--max-transfers", "N", "transfers to other nodes that run at once; further ones are refused for a time (1024)"),
    Option("--verbose", "LEVEL", "0: what matters; 1 and up: everything (0)"),
    Option("--http-port", "PORT", "the same as --port"),
    .ignored("--noudp", nil, "only TCP is used"),
    .ignored("--udp-port", "PORT", "only TCP is used"),
    .ignored("--websocket-port", "PORT", "only TCP is used"),
    .ignored("--nomulticast", nil, "nodes are not looked for on the LAN; see --bootstrap"),
    .ignored("--nobootstrap", nil, "nobody is asked but the nodes named with --bootstrap"),
    .ignored("--public-url", "URL", "files are not served over HTTP"),
    .ignored("--static-config", "FILE", "nodes are met with --bootstrap, and channels joined with --channel"),
    .ignored("--config", "FILE", "nodes are met with --bootstrap, and channels joined with --channel"),
    .ignored("--ismessageproxy", nil, "this version passes nothing on between other nodes"),
    .ignored("--isdataproxy", nil, "this version passes nothing on between other nodes"),
    .ignored("--owner", "ID", "a node belongs to whoever has its key"),
    .ignored("--kachery-hub-url", "URL", "that service is no more"),
    .ignored("--method", "METHOD", "the daemon is a program of its own"),
    .ignored("--node-arg", "ARGUMENT", "the daemon is a program of its own"),
    .ignored("--dverbose", "LEVEL", "see --verbose"),
  ]

  /// Becomes the daemon, which lies beside this program.
  private static func runDaemon(_ options: [String]) throws(KacheryError) -> Never {
    let beside = "\(CurrentProcess.program.cut(atLast: "/").head)/kacheryd"
    CurrentProcess.become(beside, orNamed: "kacheryd", options)
    throw KacheryError(
      .failedToStart, "The daemon's program kacheryd is neither at \(beside) nor on the PATH; install kachery again.")
  }

  /// `kachery daemon stop`
  static let daemonStop = Command(
    name: "daemon stop", usage: "", summary: "Stops the daemon.", examples: ["kachery-p2p-stop-daemon"],
    run: { (_) throws(KacheryError) in
      let client = try DaemonClient.require()
      _ = try client.get("/halt")
      // It has a moment to say goodbye to its peers; a script that goes on should find it gone.
      for _ in 0..<60 {
        guard client.isAnswering else { break }
        SteadyClock.sleep(for: .milliseconds(50))
      }
      Console.note("Stopped the daemon of \(client.storageDirectory).")
      return .done
    })

  /// `kachery daemon status`
  static let daemonStatus = Command(
    name: "daemon status", usage: "", summary: "Says whether a daemon runs, and where it keeps files.",
    options: [json], examples: ["kachery daemon status"],
    run: { (arguments) throws(KacheryError) in
      let client = try DaemonClient.require()
      guard !arguments.has("--json") else {
        Console.result(client.probe.json.compact)
        return .done
      }
      let stats = try client.get("/stats?format=json")
      Console.result("Running at \(client.address), version \(APIVersion.daemon).")
      Console.result("Node ID:           \(client.probe.node)")
      Console.result("Storage directory: \(client.probe.storageDirectory)")
      Console.result("Channels:          \(client.probe.joinedChannels.count)")
      Console.result("Linked nodes:      \(stats["stats"]?["kachery_links"]?.integer ?? 0)")
      Console.result("In a browser:      \(client.pageAddress)  (for a few minutes)")
      return .done
    })

  /// `kachery node-info`
  static let nodeInfo = Command(
    name: "node-info", usage: "", summary: "Prints this node's ID.", options: [json],
    examples: ["kachery-p2p-node-info"],
    run: { (arguments) throws(KacheryError) in
      let client = try DaemonClient.require()
      Console.result(
        arguments.has("--json")
          ? (["nodeId": .string(client.probe.node.hex)] as JSONValue).compact : "Node ID: \(client.probe.node)")
      return .done
    })

  /// As each of the published programs writes it.
  private static func versionLine(calledAs caller: String) -> String {
    switch caller.cut(at: " ").head {
    case "kachery-p2p":
      "This is kachery_p2p version \(APIVersion.daemon) [protocol version \(APIVersion.peerProtocol)]."
    case "kachery-client": "This is kachery_client version \(APIVersion.daemon)"
    case "kachery-daemon": "This is kachery_daemon version \(APIVersion.daemon)"
    default: "kachery \(APIVersion.daemon) (peer protocol \(APIVersion.peerProtocol))"
    }
  }

  /// `kachery version`
  static let version = Command(
    name: "version", usage: "", summary: "Prints the version of this program.", examples: ["kachery version"],
    run: { (arguments) throws(KacheryError) in
      Console.result(versionLine(calledAs: arguments.caller))
      return .done
    })
}

extension Arguments {
  /// These of the options as they were given, for another program.
  fileprivate func passingOn(_ options: [Option]) -> [String] {
    options.filter { !$0.isIgnored }.flatMap { option -> [String] in
      guard option.value != nil else { return has(option.name) ? [option.name] : [] }
      let name = option.name == "--http-port" ? "--port" : option.name
      return allValues(option.name).flatMap { [name, $0] }
    }
  }
}
