package import Diagnostics
package import Primitives
package import Transfer

/// Everything that a daemon is told when it starts.
package struct DaemonConfiguration: Sendable {
  /// The port of a bootstrap node where nobody says otherwise: others must be able to write it down.
  package static let defaultBootstrapPort: UInt16 = 14_507

  /// The name that the node's owner gives it.
  package var label = ""
  /// The folder that holds the files, the feeds and the mutables.
  package var storageDirectory = ""
  /// The folder that holds the node's key pair where the storage directory does not.
  package var configurationDirectory = ""
  /// The address that the local API listens on.
  package var apiHost = "127.0.0.1"
  package var apiPort: UInt16 = 20_431
  /// Where the API listens for clients on other machines; nil where there are none.
  package var remoteAPI: Endpoint?
  /// The address that other nodes' links come in on; `::` for all.
  package var listenHost = "::"
  /// The port that other nodes' links come in on; 0 for any free one.
  package var port: UInt16 = 0
  /// The host under which other nodes reach this one, where its owner knows it.
  package var announcedHost: String?
  package var isBootstrap = false
  /// Bootstrap nodes besides those of the channels' documents.
  package var bootstraps: [Endpoint] = []
  /// Channels to join besides those that were joined before.
  package var channels: [String] = []
  /// The group that may use the daemon, by name.
  package var authorizedGroup: String?
  /// Transfers to other nodes that run at once; further ones are refused for the time being. Nil where kachery.yaml, or else
  /// the default, counts.
  package var maximumTransfers: Int?
  /// How fast other nodes are served, and files are loaded; nil where kachery.yaml counts.
  package var uploadLimit: RateSchedule?
  package var downloadLimit: RateSchedule?
  package var logLevel = Log.Level.info
  /// Whether each line of the log is a JSON object.
  package var logsJSON = false

  package init() {}
}
