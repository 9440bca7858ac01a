import Primitives

/// Limits on transfers, from the command line or else from kachery.yaml.
struct TransferLimits: Hashable, Sendable {
  /// The default.
  private static let defaultTransfers = 1_024

  let upload: RateSchedule?
  let download: RateSchedule?
  /// What this node passes on between other nodes.
  let relay: RateSchedule?
  /// Concurrent transfers to other nodes.
  let maximumTransfers: Int
  /// Bytes of copies that this node keeps for members.
  let replicas: UInt64

  init(_ configuration: DaemonConfiguration, _ settings: ReloadedSettings = ReloadedSettings()) {
    upload = configuration.uploadLimit ?? settings.uploadLimit
    download = configuration.downloadLimit ?? settings.downloadLimit
    relay = configuration.relayLimit ?? settings.relayLimit
    maximumTransfers = configuration.maximumTransfers ?? settings.maximumTransfers ?? Self.defaultTransfers
    replicas = configuration.replicaLimit ?? settings.replicaLimit ?? 0
  }

  /// Whether peers of one origin that hold `own` of the `taken` places may have one more. If they have some, they must
  /// leave as many free for others, so that no origin can hold them all.
  func hasPlace(forPeerWith own: Int, of taken: Int) -> Bool {
    let free = maximumTransfers - taken
    return own == 0 ? free > 0 : free > own
  }
}
