import Primitives
import Wire

/// What a round sends to.
struct PunchTargets: Hashable, Sendable {
  /// The endpoints to dial over TCP, best first.
  var tcp: [Endpoint] = []
  /// The endpoints to probe over UDP, best first.
  var udp: [Endpoint] = []
  /// Whether ports are to be guessed if no probe is answered.
  var guess: PortGuess?
  /// The ways by which the round may still lead to a connection.
  var open: PunchWays = []

  /// The hosts of all endpoints.
  var hosts: Set<IPAddress> { Set((tcp + udp).compactMap { IPAddress($0.host) }) }
}
