import APIModel
import Primitives
import Process

extension Command {
  /// `kachery daemon start`
  static let daemonStart = Command(
    name: "daemon start", usage: "[OPTION…]", summary: "Runs the daemon, until Ctrl-C or stop-daemon.",
    details: """
      Environment: KACHERY_STORAGE_DIR (the storage directory, ~/kachery-storage), KACHERY_P2P_CONFIG_DIR (the folder of
      the node's key, ~/.kachery-p2p), KACHERY_P2P_API_PORT or KACHERY_DAEMON_PORT (the local API's port, 20431).
      """,
    options: daemonOptions,
    examples: [
      "kachery-p2p-start-daemon --label mouse-lab --bootstrap lab.example.org:14507",
      "kachery-p2p-start-daemon --label hub --isbootstrap --host lab.example.org",
    ],
    run: { (arguments) throws(KacheryError) in
      if let extra = arguments.operands.first { throw KacheryError(.badRequest, "Unexpected argument '\(extra)'.") }
      if Console.isInteractive, let directory = DaemonLog.ownDirectory {
        Console.note("The log appears here; once this terminal is closed, in \(directory)/\(APIVersion.logName).")
      }
      try runDaemon(arguments.passingOn(daemonOptions))
    })

  private static let daemonOptions = [
    Option("--label", "NAME", "the name that other nodes see (the host's name)"),
    Option(
      "--port", "PORT",
      "port for links from other nodes; 0 for a free port, kept between runs (0; a bootstrap node: 14507)"),
    Option("--also-listen", "PORT", "a further port for links from other nodes, such as 443; repeatable"),
    Option("--udp-port", "PORT", "UDP port for links by QUIC; 0 for a free port (the number of the port for links)"),
    Option("--noudp", nil, "neither use QUIC nor ask the router to lead a port to this node"),
    Option("--websocket-port", "PORT", "a port for links within WebSockets, behind a web server that passes them on"),
    Option("--host", "HOST", "name or address at which other nodes reach this one, if they cannot detect it"),
    Option("--no-lan", nil, "do not announce this machine's addresses in its local networks"),
    Option(
      "--nomulticast", nil, "neither look for nodes in the local networks nor answer those that do; so does --no-lan"),
    Option("--multicast", nil, "look for nodes in the local networks even if a proxy is configured"),
    Option(
      "--proxy", "URL", "reach other nodes through this HTTP proxy, http://USER:PASSWORD@HOST:PORT; none for no proxy"),
    Option(
      "--bootstrap", "HOST:PORT", "a bootstrap node that introduces other nodes, or wss://HOST[:PORT]; repeatable"),
    Option("--channel", "NAME-OR-URL", "a channel to join; repeatable"),
    Option("--isbootstrap", nil, "introduce nodes to each other, and relay between those that cannot reach each other"),
    Option(
      "--introduce-only", "CHANNEL-OR-NODE-ID",
      "as a bootstrap node, introduce only this node or members of this channel; repeatable"),
    Option("--no-punching", nil, "stay on the relay with nodes that cannot be dialed"),
    Option("--no-port-guessing", nil, "do not guess the ports of routers that choose them at random"),
    Option("--no-port-mapping", nil, "do not ask the router to lead a port to this node"),
    Option("--no-relay", nil, "do not relay for others, neither as a bootstrap node nor as a member"),
    Option("--auth-group", "GROUP", "let the members of this group use the daemon"),
    Option("--api-listen", "ADDRESS:PORT", "let programs on other machines use the daemon, over TLS and with a token"),
    Option("--limit-up", "MB/S", "limit the upload rate; by time of day: 50,08:00-18:00=5"),
    Option("--limit-down", "MB/S", "limit the download rate; same format as --limit-up"),
    Option("--limit-relay", "MB/S", "limit what this node relays for others; same format as --limit-up"),
    Option("--log-format", "FORMAT", "text, or json for one JSON object per line (text)"),
    Option(
      "--max-transfers", "N", "concurrent transfers to other nodes; further ones are refused for a time (1024)"),
    Option("--verbose", "LEVEL", "0: important messages; 1 and up: everything (0)"),
    Option("--http-port", "PORT", "the same as --port"),
    .ignored("--nobootstrap", nil, "only the nodes named with --bootstrap are asked"),
    .ignored("--public-url", "URL", "files are not served over HTTP; for other machines see --api-listen"),
    .ignored("--static-config", "FILE", "name bootstrap nodes with --bootstrap and channels with --channel"),
    .ignored("--config", "FILE", "name bootstrap nodes with --bootstrap and channels with --channel"),
    .ignored("--ismessageproxy", nil, "join a channel with --message-proxy, or see --isbootstrap"),
    .ignored("--isdataproxy", nil, "join a channel with --data-proxy, or see --isbootstrap"),
    .ignored("--owner", "ID", "the holder of a node's key owns the node"),
    .ignored("--kachery-hub-url", "URL", "that service no longer exists"),
    .ignored("--method", "METHOD", "the daemon is a separate program"),
    .ignored("--node-arg", "ARGUMENT", "the daemon is a separate program"),
    .ignored("--dverbose", "LEVEL", "see --verbose"),
  ]

  /// Replaces this process with the daemon, which is installed beside this program.
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
      // The daemon says goodbye to its peers first. Wait, so that a script's next command finds it gone.
      for _ in 0..<60 {
        guard client.isAnswering else { break }
        SteadyClock.sleep(for: .milliseconds(50))
      }
      Console.note("Stopped the daemon of \(client.storageDirectory).")
      return .done
    })

  /// `kachery daemon status`
  static let daemonStatus = Command(
    name: "daemon status", usage: "", summary: "Shows whether a daemon is running, and where it keeps files.",
    options: [json], examples: ["kachery daemon status"],
    run: { (arguments) throws(KacheryError) in
      let client = try DaemonClient.require()
      let probe = try client.currentProbe()
      let linked = try client.get("/v1/peers")
      let label = linked["nodeLabel"]?.string ?? ""
      guard !arguments.has("--json") else {
        var fields = probe.json.object ?? [:]
        fields["nodeLabel"] = .string(label)
        fields["linkedNodes"] = linked["peers"] ?? []
        Console.result(JSONValue.object(fields).compact)
        return .done
      }
      Console.result("Running at \(client.address), version \(APIVersion.daemon).")
      if !label.isEmpty { Console.result("Label:             \(label)") }
      Console.result("Node ID:           \(probe.node)")
      Console.result("Storage directory: \(probe.storageDirectory)")
      Console.result("Channels:          \(probe.joinedChannels.count)")
      for line in channelLines(client) { Console.result("  \(line)") }
      Console.result("Linked nodes:      \(linked["peers"]?.array?.count ?? 0)")
      if let place = DaemonLog(directory: probe.storageDirectory).place {
        Console.result("Log:               \(place)")
      }
      if let introduces = linked["introduces"]?.string { Console.result("Introduces:        \(introduces.printable)") }
      Console.result("In a browser:      \(client.pageAddress)  (for a few minutes)")
      Console.results(NoticeList(linked).lines(width: Console.pageWidth))
      return .done
    })

  /// The joined channels, each in one line; none if the daemon is of an earlier version.
  private static func channelLines(_ client: DaemonClient) -> [String] {
    let elements = (try? client.post("/v1/channels", [:]))?["channels"]?.array ?? []
    return elements.compactMap { try? ChannelState(json: $0) }.map { state in
      let own = state.isByName ? "by name" : "this node: \(state.ownState), read \(state.lastRead ?? "never")"
      let members =
        "\(state.memberCount) other member\(state.memberCount == 1 ? "" : "s"), \(state.onlineCount) on line"
      return "\(JoinedChannel.shown(state.channel.address)): \(own); \(members)"
    }
  }

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

  /// The version line in the form of each published program.
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
  /// The given ones of these options, as arguments for another program.
  fileprivate func passingOn(_ options: [Option]) -> [String] {
    options.filter { !$0.isIgnored }.flatMap { option -> [String] in
      guard option.value != nil else { return has(option.name) ? [option.name] : [] }
      let name = option.name == "--http-port" ? "--port" : option.name
      return allValues(option.name).flatMap { [name, $0] }
    }
  }
}
