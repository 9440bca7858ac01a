/// Names and versions that clients and peers see.
package enum APIVersion {
  /// The version of the daemon and its commands.
  package static let daemon = "0.9.0"
  /// The version of the protocol between nodes, as `/probe` reports it to clients.
  package static let peerProtocol = "kachery/1"
  /// The default port of the local API.
  package static let defaultPort: UInt16 = 20_431
  /// The API's Unix socket, below the storage directory.
  package static let socketName = "kachery-node/api.socket"
  /// The daemon's log once its standard error is closed, below the storage directory.
  package static let logName = "kachery-node/daemon.log"
  /// The process that holds the storage directory, below it: its number in a line.
  package static let lockName = "kachery-node/daemon.lock"
  /// Why the last start failed, below the storage directory; there is no such file if it did not.
  package static let failedStartName = "kachery-node/failed-start"
  /// The header that carries a client's token.
  package static let tokenHeader = "KACHERY-CLIENT-AUTH-CODE"
  /// The header with the name of an uploaded file for people, percent-encoded.
  package static let nameHeader = "X-Kachery-Name"
  /// The header with the error code of a refused request; the body is the message.
  package static let errorCodeHeader = "KACHERY-ERROR-CODE"
}
