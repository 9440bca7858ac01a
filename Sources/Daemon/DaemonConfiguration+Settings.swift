import Primitives
import Settings

extension DaemonConfiguration {
  /// Takes over what the layers say, except what a running daemon reads again from `kachery.yaml`: of that, only what an
  /// option or a variable says.
  ///
  /// - Throws: `badRequest` if options contradict each other.
  mutating func applyLayers() throws(KacheryError) {
    let layers = layers
    if let port = layers.text(.apiPort).flatMap({ UInt16($0) }) { apiPort = port }
    remoteAPI = layers.text(.apiListen).flatMap { Endpoint($0) }
    authorizedGroup = layers.text(.authGroup)
    try applyGateway(layers)
    applyListening(layers)
    for address in layers.list(.bootstrap).compactMap({ Address(bootstrap: $0) }) {
      if let endpoint = address.tcpEndpoint {
        bootstraps.append(endpoint)
      } else {
        webSocketBootstraps.append(address)
      }
    }
    channels = layers.list(.channel)
    try applyMeeting(layers)
    usesUDP = layers.isOn(.udp) ?? true
    announcesLocalAddresses = layers.isOn(.lan) ?? true
    announcesByMulticast = layers.isOn(.multicast) ?? true
    announcesBesideProxy = layers.isOn(.multicast) ?? false
    punches = layers.isOn(.punching) ?? true
    guessesPorts = layers.isOn(.portGuessing) ?? true
    applyReloaded(layers)
    logsJSON = layers.text(.logFormat) == "json"
    logLevel = layers.text(.verbose).flatMap { Int($0) } ?? 0 > 0 ? .debug : .info
  }

  private mutating func applyGateway(_ layers: SettingLayers) throws(KacheryError) {
    gateway = layers.text(.gateway).flatMap { Endpoint($0) }
    gatewayChannels = layers.list(.gatewayChannel)
    gatewayOrigins = layers.list(.gatewayOrigin)
    guard gateway == nil else { return }
    for name in [SettingName.gatewayChannel, .gatewayOrigin] where layers.isOption(name) {
      let option = Setting.named(name).options.first?.name ?? ""
      throw KacheryError(.badRequest, "\(option) is for the gateway; add --gateway HOST:PORT.")
    }
  }

  private mutating func applyListening(_ layers: SettingLayers) {
    if let given = layers.text(.port).flatMap({ UInt16($0) }) { port = given }
    furtherPorts = layers.list(.alsoListen).compactMap { UInt16($0) }
    udpPort = layers.text(.udpPort).flatMap { UInt16($0) }
    webSocketPort = layers.text(.websocketPort).flatMap { UInt16($0) }
    announcedHost = layers.text(.host)
  }

  private mutating func applyMeeting(_ layers: SettingLayers) throws(KacheryError) {
    isBootstrap = layers.isOn(.isBootstrap) ?? false
    relays = layers.isOn(.relay) ?? true
    // The recipe for a bootstrap node in the documentation of the published daemon. It did not relay.
    if !isBootstrap, layers.isOption(.host), announcedHost != nil, layers.isOption(.port), port > 0 {
      isBootstrap = true
      relays = false
    }
    if isBootstrap, layers.text(.port) == nil { port = Self.defaultBootstrapPort }
    introduced = layers.given(.introduceOnly)?.texts
    guard isBootstrap || !layers.isOption(.introduceOnly) else {
      throw KacheryError(.badRequest, "--introduce-only limits a bootstrap node; add --isbootstrap.")
    }
  }

  private mutating func applyReloaded(_ layers: SettingLayers) {
    let given = ReloadedSettings { layers.given($0)?.texts }
    mapsPorts = layers.isOption(.portMapping) ? given.mapsPorts ?? true : true
    environmentMapsPorts = layers.isOption(.portMapping) ? nil : given.mapsPorts
    (proxy, proxyExceptions) = (given.proxy, given.proxyExceptions)
    (uploadLimit, downloadLimit, relayLimit) = (given.uploadLimit, given.downloadLimit, given.relayLimit)
    maximumTransfers = given.maximumTransfers
    replicaLimit = given.replicaLimit
  }
}

/// What a running daemon reads again from `kachery.yaml`; nil for what that does not say.
struct ReloadedSettings: Hashable, Sendable {
  var uploadLimit: RateSchedule?
  var downloadLimit: RateSchedule?
  var relayLimit: RateSchedule?
  var maximumTransfers: Int?
  var replicaLimit: UInt64?
  var proxy: String?
  var proxyExceptions: String?
  var mapsPorts: Bool?
  var introduced: [String]?

  /// The settings of a file that says nothing.
  init() {}

  init(_ file: SettingsFile) { self.init { file.entries[$0]?.texts } }

  /// - Parameter texts: what is written for a setting; nil if nothing is.
  init(_ texts: (SettingName) -> [String]?) {
    func text(_ name: SettingName) -> String? { texts(name)?.last }
    uploadLimit = text(.limitUp).flatMap { try? RateSchedule(parsing: $0) }
    downloadLimit = text(.limitDown).flatMap { try? RateSchedule(parsing: $0) }
    relayLimit = text(.limitRelay).flatMap { try? RateSchedule(parsing: $0) }
    maximumTransfers = text(.maxTransfers).flatMap { Int($0) }
    replicaLimit = text(.replicaLimitGiB).flatMap { Quantity.bytes(gibibytes: $0) }
    proxy = text(.proxy)
    proxyExceptions = text(.noProxy)
    mapsPorts = text(.portMapping).map { ByteString($0) == "yes" }
    introduced = texts(.introduceOnly)
  }
}
