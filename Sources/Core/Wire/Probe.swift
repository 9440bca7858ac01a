import Crypto
package import Primitives

/// A datagram beside the packets of QUIC, on the same UDP socket: it shows at which endpoint a node can be reached.
///
///     4  0B 6B 61 63     1  kind     1  round     1  family     1  zero     4  session
///     8  the sender's clock in microseconds       8  the clock that is answered
///     2  port            2  zero     in `observe` and `observed` also 16: an address
///    16  HMAC-SHA-256(key, "kachery probe 1" ‖ the sender's node ID ‖ the bytes before), its first 16 bytes
///
/// No packet of QUIC to a node begins so, because a node's connection IDs do not begin with 6B. Receivers ignore what is
/// in place of the zeros.
package struct Probe: Hashable, Sendable {
  /// What it says.
  package enum Kind: UInt8, Sendable, CaseIterable {
    /// Asks the other node of a round for an answer.
    case probe = 1
    /// Answers a probe.
    case answer = 2
    /// Answers an answer, so that both ends know that the way leads in both directions.
    case confirmation = 3
    /// Asks a bootstrap node from where this datagram has come.
    case observe = 5
    /// Answers that.
    case observed = 6

    var byteCount: Int {
      switch self {
      case .probe, .answer, .confirmation: 48
      case .observe, .observed: 64
      }
    }
  }

  private static let codeBytes = 16
  private static let addressBytes = 16
  private static let label = Array("kachery probe 1".utf8)

  package let kind: Kind
  /// The round of the session; 0 outside of sessions.
  package let round: UInt8
  /// Names the session, or the link, whose key authenticates the datagram.
  package let session: UInt32
  /// The sender's clock, in microseconds: no two probes of a sender under one key are equal.
  package let clock: UInt64
  /// The clock of the probe that is answered; 0 if none is.
  package let echo: UInt64
  /// Where the receiver was seen, in `observed`.
  package let place: Endpoint?

  package init(
    _ kind: Kind, round: UInt8 = 0, session: UInt32, clock: UInt64, echo: UInt64 = 0, place: Endpoint? = nil
  ) {
    self.kind = kind
    self.round = round
    self.session = session
    self.clock = clock
    self.echo = echo
    self.place = place
  }

  /// The bytes that `sender` sends.
  package func encoded(with key: [UInt8], from sender: NodeID) -> [UInt8] {
    let address = place.flatMap { IPAddress($0.host) }
    var writer = ByteWriter()
    writer.raw(PunchPreamble.magic)
    writer.integer(kind.rawValue)
    writer.integer(round)
    writer.integer(UInt8(address.map { $0.bytes.count == 4 ? 4 : 6 } ?? 0))
    writer.integer(UInt8(0))
    writer.integer(session)
    writer.integer(clock)
    writer.integer(echo)
    writer.integer(address.flatMap { _ in place?.port } ?? 0)
    writer.integer(UInt16(0))
    if kind.byteCount > writer.bytes.count + Self.codeBytes {
      let bytes = address?.bytes ?? []
      writer.raw(bytes + [UInt8](repeating: 0, count: Self.addressBytes - bytes.count))
    }
    return writer.bytes + Self.code(of: writer.bytes, key: key, from: sender)
  }

  private static func code(of bytes: [UInt8], key: [UInt8], from sender: NodeID) -> [UInt8] {
    Array(HMACSHA256.authenticate(label + sender.bytes + bytes, key: key).prefix(codeBytes))
  }

  /// Whether the bytes are to be read as a probe, and not as a packet of QUIC.
  package static func begins(_ bytes: UnsafeRawBufferPointer) -> Bool {
    (bytes.count == Kind.probe.byteCount || bytes.count == Kind.observe.byteCount)
      && bytes.starts(with: PunchPreamble.magic)
  }

  /// What the bytes say, which may be forged; nil if they are no probe. It costs nothing to find out.
  package init?(_ bytes: [UInt8]) {
    guard let probe = try? Self.read(bytes) else { return nil }
    self = probe
  }

  private static func read(_ bytes: [UInt8]) throws(ByteReaderError) -> Probe {
    var reader = ByteReader(bytes)
    guard try reader.take(PunchPreamble.magic.count).elementsEqual(PunchPreamble.magic),
      let kind = Kind(rawValue: try reader.byte()), bytes.count == kind.byteCount
    else { throw .malformed }
    let (round, family) = (try reader.byte(), try reader.byte())
    _ = try reader.byte()
    let (session, clock, echo) = (
      try reader.integer(UInt32.self), try reader.integer(UInt64.self), try reader.integer(UInt64.self)
    )
    let port = try reader.integer(UInt16.self)
    _ = try reader.integer(UInt16.self)
    var place: Endpoint?
    if kind == .observed {
      guard family == 4 || family == 6, let address = IPAddress(bytes: Array(try reader.take(family == 4 ? 4 : 16))),
        let endpoint = Endpoint(host: address.description, port: port)
      else { throw .malformed }
      place = endpoint
    }
    return Probe(kind, round: round, session: session, clock: clock, echo: echo, place: place)
  }

  /// Whether `sender` has made these bytes, which are a probe, with this key.
  package static func isAuthentic(_ bytes: [UInt8], key: [UInt8], from sender: NodeID) -> Bool {
    let code = code(of: Array(bytes.dropLast(codeBytes)), key: key, from: sender)
    // Takes the same time wherever they differ.
    return zip(code, bytes.suffix(codeBytes)).reduce(UInt8(0)) { $0 | ($1.0 ^ $1.1) } == 0
  }
}

/// A probe to send.
package struct ProbeDatagram: Hashable, Sendable {
  package let bytes: [UInt8]
  package let endpoint: Endpoint
  /// How many routers may pass it on; nil for as many as usual.
  package let hopLimit: UInt8?
  /// The port of the further socket from which to send it; nil for the socket on which the node accepts QUIC.
  package let source: UInt16?

  package init(_ bytes: [UInt8], to endpoint: Endpoint, hopLimit: UInt8? = nil, source: UInt16? = nil) {
    self.bytes = bytes
    self.endpoint = endpoint
    self.hopLimit = hopLimit
    self.source = source
  }
}

/// Opens further sockets and sends the same datagram from each.
package struct SocketOpening: Hashable, Sendable {
  package let count: Int
  package let datagram: ProbeDatagram

  package init(_ count: Int, sending datagram: ProbeDatagram) {
    self.count = count
    self.datagram = datagram
  }
}

/// Numbers for the probes of one sender: its clock, but no number twice.
package struct ProbeClock: Hashable, Sendable {
  private var last: UInt64 = 0

  package init() {}

  /// The number of the next probe, in microseconds.
  package mutating func next(at now: Instant) -> UInt64 {
    last = max(now.nanoseconds / 1_000, last + 1)
    return last
  }
}
