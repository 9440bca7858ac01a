import ContentStore
import Primitives
import Transfer

/// How much a node gives and takes: what the command line says, or else kachery.yaml.
struct TransferLimits: Hashable, Sendable {
  /// Where nobody says otherwise.
  private static let defaultTransfers = 1_024

  let upload: RateSchedule?
  let download: RateSchedule?
  /// Transfers to other nodes that run at once.
  let maximumTransfers: Int

  /// - Throws: `badConfiguration` where an entry of `settings` is no limit.
  init(_ configuration: DaemonConfiguration, _ settings: StoreSettings) throws(KacheryError) {
    let upload = try Self.schedule("limitUp", settings.uploadLimit)
    let download = try Self.schedule("limitDown", settings.downloadLimit)
    self.upload = configuration.uploadLimit ?? upload
    self.download = configuration.downloadLimit ?? download
    maximumTransfers = configuration.maximumTransfers ?? settings.maximumTransfers ?? Self.defaultTransfers
  }

  /// What the command line alone says.
  init(_ configuration: DaemonConfiguration) {
    upload = configuration.uploadLimit
    download = configuration.downloadLimit
    maximumTransfers = configuration.maximumTransfers ?? Self.defaultTransfers
  }

  /// Whether a peer that holds `own` of the `taken` places may have one more. One that has some leaves as many free for
  /// others, so that nobody can hold them all.
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
