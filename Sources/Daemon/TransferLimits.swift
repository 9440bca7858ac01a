import ContentStore
import Primitives
import Transfer

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

  /// - Throws: `badConfiguration` if an entry of `settings` is not a limit.
  init(_ configuration: DaemonConfiguration, _ settings: StoreSettings) throws(KacheryError) {
    let upload = try Self.schedule("limitUp", settings.uploadLimit)
    let download = try Self.schedule("limitDown", settings.downloadLimit)
    let relay = try Self.schedule("limitRelay", settings.relayLimit)
    self.upload = configuration.uploadLimit ?? upload
    self.download = configuration.downloadLimit ?? download
    self.relay = configuration.relayLimit ?? relay
    maximumTransfers = configuration.maximumTransfers ?? settings.maximumTransfers ?? Self.defaultTransfers
  }

  /// The limits given on the command line.
  init(_ configuration: DaemonConfiguration) {
    upload = configuration.uploadLimit
    download = configuration.downloadLimit
    relay = configuration.relayLimit
    maximumTransfers = configuration.maximumTransfers ?? Self.defaultTransfers
  }

  /// Whether peers of one origin that hold `own` of the `taken` places may have one more. If they have some, they must
  /// leave as many free for others, so that no origin can hold them all.
  func hasPlace(forPeerWith own: Int, of taken: Int) -> Bool {
    let free = maximumTransfers - taken
    return own == 0 ? free > 0 : free > own
  }

  private static func schedule(_ name: String, _ text: String?) throws(KacheryError) -> RateSchedule? {
    guard let text else { return nil }
    do throws(KacheryError) { return try RateSchedule(parsing: text) } catch {
      throw KacheryError(.badConfiguration, "\(name) in kachery.yaml: \(error.message)", cause: error)
    }
  }
}
