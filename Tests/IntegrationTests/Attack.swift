import Testing

/// What hostile members, strangers and clients do to a daemon while honest nodes use it.
enum Attack: String, CaseIterable, CustomTestStringConvertible, Sendable {
  case questions = "questions for random files"
  case channelLists = "empty channel lists"
  case inventedNodes = "records of nodes that do not exist"
  case openAndReset = "streams opened and reset"
  case pings = "pings"
  case identities = "many identities"
  case uploads = "uploads that nothing is taken of"
  case batches = "batches of one file that nothing is taken of"
  case feeds = "a feed's messages that nothing is taken of"
  case halfHandshakes = "half handshakes"
  case halfRequests = "half requests to the local API"
  case silentClients = "silent connections to the local API"
  case largeBodies = "large bodies to the local API"

  var testDescription: String { rawValue }

  /// Connections without a peer behind them; 0 for an attack by members of the channel.
  var connections: Int {
    switch self {
    case .halfHandshakes: 400
    case .halfRequests, .silentClients: 1_200
    default: 0
    }
  }

  /// Members of the channel that take part.
  ///
  /// - Parameter isShort: whether the attack belongs to `make test`. Debug builds on a busy machine would measure only the
  ///   machine, so a single one floods there.
  func members(isShort: Bool) -> Int {
    switch self {
    case .halfHandshakes, .halfRequests, .silentClients, .largeBodies: 0
    case .uploads, .batches, .feeds: 30
    case .identities: isShort ? 40 : 400
    case .questions, .channelLists, .inventedNodes, .openAndReset, .pings: isShort ? 1 : 3
    }
  }

  /// Most memory that it may cost, in bytes. Bodies of requests share half a gigabyte.
  var memory: Int { self == .largeBodies ? 640 << 20 : 192 << 20 }
}
