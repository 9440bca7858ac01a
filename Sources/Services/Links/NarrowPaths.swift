import Primitives

/// The hosts to which large packets get lost without a message about it, as behind some tunnels. A value without I/O.
///
/// Connections to them ask for small segments, which both ends then send.
struct NarrowPaths {
  /// Bytes of data in a segment that fits any path: IPv6 guarantees packets of 1,280 bytes.
  static let segment = 1_200
  /// How long a host is remembered.
  static let time: Duration = .seconds(3_600)
  /// The most hosts that are remembered; another one replaces the oldest.
  static let limit = 256

  private var foundAt: [ByteString: Instant] = [:]

  /// Remembers a host, by its numeric address. The loopback interface loses nothing, so a peer there is just busy.
  mutating func add(_ host: String, at now: Instant) {
    guard IPAddress(host)?.scope != .loopback else { return }
    foundAt[ByteString(host)] = now
    guard foundAt.count > Self.limit, let oldest = foundAt.min(by: { $0.value < $1.value })?.key else { return }
    foundAt[oldest] = nil
  }

  /// Whether the host is remembered.
  func contains(_ host: String, at now: Instant) -> Bool {
    foundAt[ByteString(host)].map { now - $0 < Self.time } ?? false
  }
}
