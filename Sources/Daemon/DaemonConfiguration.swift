package import Diagnostics
package import Primitives
package import Settings

/// The configuration that a daemon starts with.
package struct DaemonConfiguration: Sendable {
  /// The default port of a bootstrap node. It is fixed because other nodes' configurations name it.
  package static let defaultBootstrapPort: UInt16 = 14_507

  /// The settings by where they are set; those of a running daemon, `config show` and the log of a reload use them.
  package var layers = SettingLayers()
  /// The name that the node's owner gives it.
  package var label = ""
  /// The folder that holds the files, the feeds and the mutables.
  package var storageDirectory = ""
  /// The folder that holds the node's key pair if the storage directory does not.
  package var configurationDirectory = ""
  /// The address that the local API listens on.
  package var apiHost = "127.0.0.1"
  package var apiPort: UInt16 = 20_431
  /// The address at which the API listens for clients on other machines; nil if it does not.
  package var remoteAPI: Endpoint?
  /// The address at which the gateway listens; nil if there is none.
  package var gateway: Endpoint?
  /// The channels, by name, address or label, whose files the gateway may share.
  package var gatewayChannels: [String] = []
  /// The origins of pages whose scripts may read the gateway's answers; `*` for all.
  package var gatewayOrigins: [String] = []
  /// The address for links from other nodes; `::` for all.
  package var listenHost = "::"
  /// The port for links from other nodes; 0 for a free one, which the node keeps between its runs.
  package var port: UInt16 = 0
  /// Further ports for links from other nodes.
  package var furtherPorts: [UInt16] = []
  /// The UDP port for links by QUIC; nil for the number of `port`, 0 for any free one.
  package var udpPort: UInt16?
  /// The port for links within WebSockets; nil for none.
  package var webSocketPort: UInt16?
  /// The host at which other nodes reach this one, if its owner knows it.
  package var announcedHost: String?
  /// Whether the node announces the addresses that this machine has in its local networks.
  package var announcesLocalAddresses = true
  /// Whether the node finds members of its channels in the local networks, and is found there, by multicast. It is not
  /// if it does not announce its local addresses.
  package var announcesByMulticast = true
  /// Whether it does so even if a proxy is configured.
  package var announcesBesideProxy = false
  /// The proxy for reaching other nodes, or `none`; nil to use kachery.yaml, or else the environment.
  package var proxy: String?
  /// The hosts that are reached without it; nil to use kachery.yaml, or else the environment.
  package var proxyExceptions: String?
  /// The proxy that the environment names, and the hosts that are reached without one; empty if there are none.
  package var environmentProxy = ""
  package var environmentProxyExceptions = ""
  /// Whether the node links directly to nodes that it reaches through a relay, by dialing them while they dial it.
  package var punches = true
  /// Whether it takes part in guessing the ports of routers that choose them at random.
  package var guessesPorts = true
  /// Whether the node may ask its router to lead a port to it.
  package var mapsPorts = true
  /// The same according to the environment, which overrides kachery.yaml; nil if that says nothing.
  package var environmentMapsPorts: Bool?
  /// Whether the node may use UDP beyond its local networks: for links by QUIC, and for asking routers.
  package var usesUDP = true
  package var isBootstrap = false
  /// The node IDs, and the names or addresses of channels, to which a bootstrap node limits its introductions. Nil to use
  /// kachery.yaml; if that names none either, it introduces any node.
  package var introduced: [String]?
  /// Whether a bootstrap node passes links on between nodes that cannot reach each other.
  package var relays = true
  /// Bootstrap nodes besides those of the channels' documents.
  package var bootstraps: [Endpoint] = []
  /// Bootstrap nodes at addresses of WebSockets.
  package var webSocketBootstraps: [Address] = []
  /// Channels to join besides those that were joined before.
  package var channels: [String] = []
  /// The group that may use the daemon, by name.
  package var authorizedGroup: String?
  /// Concurrent transfers to other nodes; further ones are refused for the time being. Nil to use kachery.yaml, or else
  /// the default.
  package var maximumTransfers: Int?
  /// The upload and download rates; nil to use kachery.yaml.
  package var uploadLimit: RateSchedule?
  package var downloadLimit: RateSchedule?
  /// The rate of all relaying for other nodes together; nil to use kachery.yaml.
  package var relayLimit: RateSchedule?
  /// Most bytes kept for members that ask for copies; nil to use kachery.yaml.
  package var replicaLimit: UInt64?
  /// Whether the node ends when standard input does, which is when the command that started it for itself does.
  package var endsWithInput = false
  /// Whether the storage directory, which must be unused, is removed when the node has ended.
  package var removesStorage = false
  package var logLevel = Log.Level.info
  /// Whether each line of the log is a JSON object.
  package var logsJSON = false

  package init() {}
}

extension DaemonConfiguration {
  /// The names to which introductions are limited, in an option, or else in kachery.yaml; nil if they are not.
  func introduced(_ settings: ReloadedSettings) -> [String]? { introduced ?? settings.introduced }

  /// The option, or whatever else sets this.
  private func reason(_ option: String, _ name: SettingName) -> String {
    switch layers.resolved(name).source {
    case .option, .standard: option
    case .variable(let variable): variable
    case .file: "\(name.rawValue) in kachery.yaml"
    }
  }

  /// Why the node does not use QUIC, for people; nil if it does. Nothing leaves the machine but through a proxy, if there
  /// is one.
  func reasonAgainstQUIC(hasProxy: Bool) -> String? {
    if !usesUDP { return reason("--noudp", .udp) }
    return hasProxy ? "a proxy is configured" : nil
  }

  /// Why the node does not look for others by multicast, for people; nil if it does. Nothing leaves the machine but
  /// through a proxy, if there is one, unless the owner wants it.
  func reasonAgainstMulticast(hasProxy: Bool) -> String? {
    if !announcesLocalAddresses { return reason("--no-lan", .lan) }
    if !announcesByMulticast { return reason("--nomulticast", .multicast) }
    if hasProxy, !announcesBesideProxy { return "a proxy is configured; --multicast turns it on" }
    return nil
  }

  /// Whether the owner lets the router be asked, in an option, or else in the environment, or else in kachery.yaml.
  func allowsMapping(_ settings: ReloadedSettings) -> Bool {
    mapsPorts && (environmentMapsPorts ?? settings.mapsPorts ?? true)
  }

  /// Why the node asks no router to lead a port to it, for people; nil if it may. Nothing leaves the machine but through a
  /// proxy, if there is one.
  func reasonAgainstMapping(hasProxy: Bool, isAllowed: Bool) -> String? {
    if !mapsPorts { return "--no-port-mapping" }
    if !isAllowed {
      return environmentMapsPorts == false ? "KACHERY_P2P_PORT_MAPPING" : "portMapping in kachery.yaml"
    }
    if !usesUDP { return reason("--noudp", .udp) }
    if announcedHost != nil { return "\(reason("--host", .host)) names the address" }
    if hasProxy { return "a proxy is configured" }
    if listenHost != "::", listenHost != "0.0.0.0" { return "the node listens at one address only" }
    return nil
  }

  /// The protocols by which the router is asked, in this order. The search for a UPnP router is multicast.
  func mappingMethods(hasProxy: Bool, isAllowed: Bool) -> [PortMappingProtocol] {
    guard reasonAgainstMapping(hasProxy: hasProxy, isAllowed: isAllowed) == nil else { return [] }
    return announcesByMulticast ? [.natPMP, .upnp] : [.natPMP]
  }
}
