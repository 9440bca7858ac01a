/// What this software calls itself towards clients and peers.
package enum APIVersion {
  /// The version of the daemon and its commands.
  package static let daemon = "0.9.0"
  /// The version of the protocol between nodes, as `/probe` shows it to clients.
  package static let peerProtocol = "kachery/1"
  /// The port of the local API where nobody says otherwise.
  package static let defaultPort: UInt16 = 20_431
  /// The API's Unix socket, below the storage directory.
  package static let socketName = "kachery-node/api.socket"
  /// The header that carries a client's token.
  package static let tokenHeader = "KACHERY-CLIENT-AUTH-CODE"
  /// The header that carries the code of a refusal, whose body is its sentence.
  package static let errorCodeHeader = "KACHERY-ERROR-CODE"
}
