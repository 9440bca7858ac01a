import APIModel
import Primitives
import Process
import Settings

extension Command {
  /// `kachery daemon start`
  static let daemonStart = Command(
    name: "daemon start", usage: "[OPTION…]", summary: "Runs the daemon, until Ctrl-C or stop-daemon.",
    details: """
      Environment: KACHERY_STORAGE_DIR (the storage directory, ~/kachery-storage), KACHERY_P2P_CONFIG_DIR (the folder of
      the node's key, ~/.kachery-p2p), KACHERY_P2P_API_PORT or KACHERY_DAEMON_PORT (the local API's port, 20431). Every
      option can also be set in kachery.yaml in the storage directory; 'kachery config show' lists the names there and
      the values, and 'kachery config check' looks for mistakes.
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

  /// Those of the settings, and those of older scripts.
  private static let daemonOptions =
    Setting.all.flatMap(\.options).map { Option($0.name, $0.placeholder, $0.help) } + [
      Option("--http-port", "PORT", "the same as --port"),
      .ignored("--nobootstrap", nil, "only the nodes named with --bootstrap are asked"),
      .ignored("--public-url", "URL", "for serving files over HTTP see --gateway, for other machines --api-listen"),
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
        fields["gateway"] = linked["gateway"] ?? .null
        Console.result(JSONValue.object(fields).compact)
        return .done
      }
      Console.result("Running at \(client.address), version \(APIVersion.daemon).")
      if !label.isEmpty { Console.result("Label:             \(label)") }
      Console.result("Node ID:           \(probe.node)")
      Console.result("Storage directory: \(probe.storageDirectory)")
      Console.result("Channels:          \(probe.joinedChannels.count)")
      for line in channelLines(client) { Console.result("  \(line)") }
      if let gateway = try GatewayState(fieldOf: linked) {
        Console.result("Gateway:           \(gateway.text)")
        for line in gateway.channelLines { Console.result("  \(line.printable)") }
      }
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
