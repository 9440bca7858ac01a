import HTTP

extension Setting {
  /// Every setting. Options, variables, `kachery.yaml`, help and documentation all follow from this table.
  package static let all: [Setting] = place + clients + gateway + listening + meeting + network + limits + log

  private static let place = [
    Setting(
      .storageDirectory, .folder, variables: ["KACHERY_STORAGE_DIR"], isInFile: false, default: "~/kachery-storage",
      "the storage directory, which also holds kachery.yaml"),
    Setting(
      .configurationDirectory, .folder, variables: ["KACHERY_P2P_CONFIG_DIR"], isInFile: false,
      default: "~/.kachery-p2p", "the folder of the node's key"),
    Setting(
      .label, option: ("--label", "NAME"), .label, default: "the host's name", "the name that other nodes see"),
  ]

  private static let clients = [
    Setting(
      .apiPort, .port, variables: ["KACHERY_P2P_API_PORT", "KACHERY_DAEMON_PORT"], default: "20431",
      "port of the local API; 0 for a free port"),
    Setting(
      .apiListen, option: ("--api-listen", "ADDRESS:PORT"), .endpoint,
      "let programs on other machines use the daemon, over TLS and with a token"),
    Setting(
      .authGroup, option: ("--auth-group", "GROUP"), .name, "let the members of this group use the daemon"),
  ]

  private static let gateway = [
    Setting(
      .gateway, option: ("--gateway", "HOST:PORT"), .gateway,
      "serve files by their hashes to anyone, over HTTP at this address, for browsers and other programs"),
    Setting(
      .gatewayChannel, option: ("--gateway-channel", "NAME-OR-URL"), .channels,
      "a channel that this node has joined, and whose files the gateway may share"),
    Setting(
      .gatewayOrigin, option: ("--gateway-origin", "ORIGIN"), .origins,
      "a site whose pages may read from the gateway in scripts; * for all"),
  ]

  private static let listening = [
    Setting(
      .port, option: ("--port", "PORT"), .port, default: "0; a bootstrap node: 14507",
      "port for links from other nodes; 0 for a free port, kept between runs"),
    Setting(
      .alsoListen, option: ("--also-listen", "PORT"), .furtherPorts,
      "a further port for links from other nodes, such as 443"),
    Setting(
      .udpPort, option: ("--udp-port", "PORT"), .optionalPort, default: "the number of the port for links",
      "UDP port for links by QUIC; 0 for a free port"),
    Setting(
      .websocketPort, option: ("--websocket-port", "PORT"), .optionalPort,
      "a port for links within WebSockets, behind a web server that passes them on"),
    Setting(
      .host, option: ("--host", "HOST"), .host,
      "name or address at which other nodes reach this one, if they cannot detect it"),
  ]

  private static let meeting = [
    Setting(
      .bootstrap, option: ("--bootstrap", "HOST:PORT"), .bootstraps,
      "a bootstrap node that introduces other nodes, or wss://HOST[:PORT]"),
    Setting(.channel, option: ("--channel", "NAME-OR-URL"), .channels, "a channel to join"),
    Setting(
      .isBootstrap,
      flags: [
        (
          "--isbootstrap", "yes",
          "introduce nodes to each other, and relay between those that cannot reach each other"
        )
      ],
      default: "no", "whether to introduce nodes to each other, and to relay for those that cannot reach each other"),
    Setting(
      .introduceOnly, option: ("--introduce-only", "CHANNEL-OR-NODE-ID"), .introduced, isReloaded: true,
      "as a bootstrap node, introduce only this node or members of this channel"),
    Setting(
      .relay,
      flags: [("--no-relay", "no", "do not relay for others, neither as a bootstrap node nor as a member")],
      default: "yes", "whether to relay for others, as a bootstrap node or as a member that offers it"),
  ]

  private static let network = [
    Setting(
      .udp, flags: [("--noudp", "no", "neither use QUIC nor ask the router to lead a port to this node")],
      default: "yes", "whether to use QUIC, and to ask the router to lead a port to this node"),
    Setting(
      .lan, flags: [("--no-lan", "no", "do not announce this machine's addresses in its local networks")],
      default: "yes", "whether to announce this machine's addresses in its local networks"),
    Setting(
      .multicast,
      flags: [
        (
          "--nomulticast", "no",
          "neither look for nodes in the local networks nor answer those that do; so does --no-lan"
        ), ("--multicast", "yes", "look for nodes in the local networks even if a proxy is configured"),
      ],
      default: "yes, unless a proxy is configured",
      "whether to look for nodes in the local networks, and to answer those that do"),
    Setting(
      .punching, flags: [("--no-punching", "no", "stay on the relay with nodes that cannot be dialed")],
      default: "yes", "whether to link directly to nodes that cannot be dialed, instead of staying on the relay"),
    Setting(
      .portGuessing,
      flags: [("--no-port-guessing", "no", "do not guess the ports of routers that choose them at random")],
      default: "yes", "whether to guess the ports of routers that choose them at random"),
    Setting(
      .portMapping,
      flags: [("--no-port-mapping", "no", "do not ask the router to lead a port to this node")],
      default: "yes", isReloaded: true, "whether to ask the router to lead a port to this node"),
    Setting(
      .proxy, option: ("--proxy", "URL"), .proxy, systemVariables: ProxyRules.variables, isReloaded: true,
      "reach other nodes through this HTTP proxy, http://USER:PASSWORD@HOST:PORT; none for no proxy"),
    Setting(
      .noProxy, .hosts, systemVariables: ["no_proxy", "NO_PROXY"], isReloaded: true,
      "hosts that are reached without the proxy, separated by commas"),
  ]

  private static let limits = [
    Setting(
      .limitUp, option: ("--limit-up", "MB/S"), .rate, isReloaded: true,
      "limit the upload rate; by time of day: 50,08:00-18:00=5"),
    Setting(
      .limitDown, option: ("--limit-down", "MB/S"), .rate, isReloaded: true,
      "limit the download rate; same format as --limit-up"),
    Setting(
      .limitRelay, option: ("--limit-relay", "MB/S"), .rate, isReloaded: true,
      "limit what this node relays for others; same format as --limit-up"),
    Setting(
      .maxTransfers, option: ("--max-transfers", "N"), .count, default: "1024", isReloaded: true,
      "concurrent transfers to other nodes; further ones are refused for a time"),
    Setting(
      .maxCacheSizeGiB, .size, variables: [], isReloaded: true,
      "the size in GiB above which the least recently used files are removed"),
    Setting(
      .replicaLimitGiB, option: ("--replica-limit", "GIB"), .size, variables: ["KACHERY_P2P_REPLICA_LIMIT_GIB"],
      isReloaded: true,
      "keep copies of files for members that ask for them, of at most this size together, in channels that this node has "
        + "joined with --data-proxy"),
  ]

  private static let log = [
    Setting(
      .logFormat, option: ("--log-format", "FORMAT"), .format, default: "text",
      "text, or json for one JSON object per line"),
    Setting(
      .verbose, option: ("--verbose", "LEVEL"), .level, default: "0",
      "0: important messages; 1 and up: everything"),
  ]
}
