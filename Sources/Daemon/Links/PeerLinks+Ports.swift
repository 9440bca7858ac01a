import Links
import Primitives

extension PeerLinks {
  /// Accepts links on these ports, each named once; 0 for any free port.
  ///
  /// - Returns: the addresses, in the order of the ports.
  /// - Throws: as `listen(host:port:)`. The message says what helps.
  func listen(
    host: String, ports: [UInt16], over kind: TransportKind = .tcp
  ) throws(KacheryError) -> [Endpoint] {
    var endpoints: [Endpoint] = []
    for port in ports where port == 0 || !endpoints.contains(where: { $0.port == port }) {
      do throws(KacheryError) { endpoints.append(try listen(host: host, port: port, over: kind)) } catch {
        guard let remedy = Self.remedy(for: error, port) else { throw error }
        throw KacheryError(error.code, "\(error.message) \(remedy)", cause: error)
      }
    }
    return endpoints
  }

  private static func remedy(for error: KacheryError, _ port: UInt16) -> String? {
    switch error.code {
    case .permissionDenied:
      "Low ports are for root: let a service use them with AmbientCapabilities=CAP_NET_BIND_SERVICE and "
        + "CapabilityBoundingSet=CAP_NET_BIND_SERVICE in its systemd unit, or every program with sysctl "
        + "net.ipv4.ip_unprivileged_port_start=\(port)."
    case .alreadyRunning: "Stop the program that has it (ss -ltnp 'sport = :\(port)' names it), or choose another port."
    default: nil
    }
  }
}
