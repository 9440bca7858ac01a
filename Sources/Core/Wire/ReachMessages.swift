import Primitives

/// How a NAT chooses outside ports, as far as a node knows about its own.
package enum MappingKind: UInt8, Sendable, CaseIterable {
  case unknown = 0
  /// The port on which the node listens, for every destination.
  case kept = 1
  /// Another port, the same for every destination.
  case same = 2
  /// A port for each destination, each one shortly after the last.
  case sequence = 3
  /// A port for each destination, which cannot be predicted.
  case random = 4
  /// The transport does not leave the network.
  case none = 5

  /// Whether the node's outside endpoint for a further destination is not the one that others have seen.
  package var isHard: Bool { self == .sequence || self == .random }
}

/// The ways by which a node is prepared to connect directly, one bit each; unknown bits are ignored.
package struct PunchWays: OptionSet, Hashable, Sendable {
  package let rawValue: UInt8

  package init(rawValue: UInt8) { self.rawValue = rawValue }

  package static let tcp = PunchWays(rawValue: 1)
  package static let udp = PunchWays(rawValue: 2)
  /// Guessing the port of a NAT that chooses one at random for each destination.
  package static let guessing = PunchWays(rawValue: 4)
}

/// Asks for a direct connection to a node that is linked through a relay, or answers that question: the sender's
/// candidates, best first. A second one replaces them.
package struct Reach: Hashable, Sendable {
  /// Chosen by the node with the smaller ID, never 0; 0 as long as the other node does not know it.
  package let session: UInt32
  /// How the sender's NAT chooses ports for TCP, and for UDP.
  package let tcp: MappingKind
  package let udp: MappingKind
  package let ways: PunchWays
  package let candidates: [Candidate]

  package init(
    session: UInt32, tcp: MappingKind, udp: MappingKind = .unknown, ways: PunchWays = .tcp, candidates: [Candidate]
  ) {
    self.session = session
    self.tcp = tcp
    self.udp = udp
    self.ways = ways
    self.candidates = candidates
  }
}

/// The sender's candidates for a further round of a session.
package struct Punch: Hashable, Sendable {
  package let session: UInt32
  package let round: UInt8
  package let ways: PunchWays
  package let part: Part
  package let candidates: [Candidate]

  /// What the sender wants to do besides dialing and probing the candidates.
  package enum Part: UInt8, Sendable, CaseIterable {
    case nothing = 0
    /// It probes random ports of the other node's NAT.
    case guesses = 1
    /// It opens many ports of its own NAT.
    case opens = 2
  }

  package init(
    session: UInt32, round: UInt8, ways: PunchWays = .tcp, part: Part = .nothing, candidates: [Candidate]
  ) {
    self.session = session
    self.round = round
    self.ways = ways
    self.part = part
    self.candidates = candidates
  }
}

/// Starts a round. The node with the smaller ID sends it.
package struct PunchStart: Hashable, Sendable {
  package let session: UInt32
  package let round: UInt8

  package init(session: UInt32, round: UInt8) {
    self.session = session
    self.round = round
  }
}

/// Ends a session.
package struct PunchEnd: Hashable, Sendable {
  /// What has become of it.
  package enum Outcome: UInt8, Sendable, CaseIterable {
    /// The two nodes have a direct connection.
    case won = 0
    /// No round led to one.
    case failed = 1
    /// The sender does not try now.
    case notNow = 2
  }

  package let session: UInt32
  /// The last round; 0 if there was none.
  package let round: UInt8
  package let outcome: Outcome
  /// Where the connection leads, as the sender sees it.
  package let winner: Candidate?

  package init(session: UInt32, round: UInt8, _ outcome: Outcome, winner: Candidate? = nil) {
    self.session = session
    self.round = round
    self.outcome = outcome
    self.winner = winner
  }
}

extension ByteWriter {
  mutating func write(_ reach: Reach) {
    integer(reach.session)
    integer(reach.tcp.rawValue)
    integer(reach.udp.rawValue)
    integer(reach.ways.rawValue)
    list(reach.candidates) { $0.write($1) }
  }

  mutating func write(_ punch: Punch) {
    integer(punch.session)
    integer(punch.round)
    integer(punch.ways.rawValue)
    integer(punch.part.rawValue)
    list(punch.candidates) { $0.write($1) }
  }

  mutating func write(_ start: PunchStart) {
    integer(start.session)
    integer(start.round)
  }

  mutating func write(_ end: PunchEnd) {
    integer(end.session)
    integer(end.round)
    integer(end.outcome.rawValue)
    optional(end.winner) { $0.write($1) }
  }
}

extension ByteReader {
  /// A kind that this version does not know counts as unknown.
  private mutating func mappingKind() throws(ByteReaderError) -> MappingKind {
    MappingKind(rawValue: try byte()) ?? .unknown
  }

  mutating func reach() throws(ByteReaderError) -> Reach {
    Reach(
      session: try integer(), tcp: try mappingKind(), udp: try mappingKind(), ways: PunchWays(rawValue: try byte()),
      candidates: try candidates())
  }

  /// A part that this version does not know counts as none.
  mutating func punch() throws(ByteReaderError) -> Punch {
    Punch(
      session: try integer(), round: try byte(), ways: PunchWays(rawValue: try byte()),
      part: Punch.Part(rawValue: try byte()) ?? .nothing, candidates: try candidates())
  }

  mutating func punchStart() throws(ByteReaderError) -> PunchStart {
    PunchStart(session: try integer(), round: try byte())
  }

  /// An outcome that this version does not know counts as a failure.
  mutating func punchEnd() throws(ByteReaderError) -> PunchEnd {
    let (session, round) = (try integer(UInt32.self), try byte())
    let outcome = PunchEnd.Outcome(rawValue: try byte()) ?? .failed
    let winner = try optional { (reader) throws(ByteReaderError) in try reader.candidate() } ?? nil
    return PunchEnd(session: session, round: round, outcome, winner: winner)
  }
}
