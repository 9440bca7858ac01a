import Primitives

/// Bounds how often the addresses that others have named are dialed: else records of invented nodes would make this
/// node open thousands of connections to a host, or try its ports, on behalf of a stranger.
struct DialBudget: Sendable {
  /// Attempts per second that are made in the long run, and how many may be made in one moment.
  private struct Rate {
    let perSecond: Double
    let burst: Double
  }

  private struct Bucket {
    var available: Double
    var at: Instant

    /// What is available by now.
    func refilled(_ rate: Rate, at now: Instant) -> Double {
      min(rate.burst, available + (now - at).inSeconds * rate.perSecond)
    }
  }

  /// A laboratory may have hundreds of nodes behind one address, each at a port of its own.
  private static let hostRate = Rate(perSecond: 8, burst: 128)
  /// All hosts together.
  private static let totalRate = Rate(perSecond: 64, burst: 512)
  /// Most hosts that are remembered; those that have their whole burst need not be.
  private static let maximumHosts = 1_024

  private var total: Bucket?
  private var hosts: [[UInt8]: Bucket] = [:]

  /// Takes an attempt at the address, if there is one.
  ///
  /// - Returns: how long to wait before asking again; zero if the attempt may be made now.
  mutating func delay(for address: Address, at now: Instant) -> Duration {
    // What a relay is asked for opens no connection.
    guard let host = Self.host(of: address) else { return .zero }
    let free = Self.totalRate.burst
    let all = total?.refilled(Self.totalRate, at: now) ?? free
    let own = hosts[host]?.refilled(Self.hostRate, at: now) ?? Self.hostRate.burst
    guard own >= 1 else { return Self.wait(for: own, Self.hostRate) }
    guard all >= 1 else { return Self.wait(for: all, Self.totalRate) }
    if hosts.count >= Self.maximumHosts {
      hosts = hosts.filter { $0.value.refilled(Self.hostRate, at: now) < Self.hostRate.burst }
    }
    total = Bucket(available: all - 1, at: now)
    hosts[host] = Bucket(available: own - 1, at: now)
    return .zero
  }

  private static func wait(for available: Double, _ rate: Rate) -> Duration {
    .milliseconds(Int(((1 - available) / rate.perSecond * 1_000).rounded(.up)))
  }

  /// The bytes of an end site, or of the name of a host.
  private static func host(of address: Address) -> [UInt8]? {
    switch address {
    case .relay: return nil
    case .tcp(let endpoint), .quic(let endpoint), .webSocket(let endpoint), .secureWebSocket(let endpoint):
      return IPAddress(endpoint.host)?.endSite ?? Array(endpoint.host.utf8)
    }
  }
}
