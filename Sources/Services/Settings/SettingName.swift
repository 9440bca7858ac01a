/// The settings of a daemon, by the names that they have in `kachery.yaml`.
package enum SettingName: String, CaseIterable, Sendable {
  case storageDirectory = "storageDir"
  case configurationDirectory = "configDir"
  case label
  case apiPort
  case apiListen
  case authGroup
  case gateway
  case gatewayChannel
  case gatewayOrigin
  case port
  case alsoListen
  case udpPort
  case websocketPort
  case host
  case bootstrap
  case channel
  case isBootstrap
  case introduceOnly
  case relay
  case udp
  case lan
  case multicast
  case punching
  case portGuessing
  case portMapping
  case proxy
  case noProxy
  case limitUp
  case limitDown
  case limitRelay
  case maxTransfers
  case maxCacheSizeGiB
  case replicaLimitGiB
  case logFormat
  case verbose
}
