package import Primitives

/// Through which proxy other hosts are reached, and which are reached directly.
package struct ProxyRules: Hashable, Sendable {
  /// Where the proxy was named.
  package enum Source: Hashable, Sendable {
    case environment
    case configuration
  }

  /// A configured proxy.
  package enum Proxy: Hashable, Sendable {
    case none
    case usable(ProxyAddress)
    /// Why it cannot be used.
    case unusable(String)
  }

  /// Where the rules come from.
  package let source: Source
  /// The configured proxy.
  package let proxy: Proxy
  private let exceptions: [Exception]
  /// The hosts that are reached directly, as they were given.
  package let exceptionText: String
  /// The proxy, as it was given; empty if there is none.
  package let text: String

  /// The variables of the environment that name a proxy; the first that is not empty counts.
  package static let variables = ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"]

  /// The proxy's address, without user and password; empty if there is none that can be used.
  package var addressText: String { if case .usable(let address) = proxy { "\(address)" } else { "" } }

  /// Why the configured proxy cannot be used; nil if it can, or if there is none.
  package var problem: String? { if case .unusable(let problem) = proxy { problem } else { nil } }

  /// Rules without a proxy.
  package init() { self.init(proxy: "", except: "", from: .environment) }

  /// - Parameters:
  ///   - proxy: as for `ProxyAddress`; empty or `none` for none. What cannot be used is reported by `proxy(for:)`, so that
  ///     no host is reached directly against the owner's intent.
  ///   - exceptions: hosts that are reached directly, separated by commas: names, which include the names below them,
  ///     addresses, networks such as `10.0.0.0/8`, or `*` for all.
  package init(proxy: String, except exceptions: String, from source: Source) {
    self.source = source
    text = proxy == "none" ? "" : proxy
    exceptionText = exceptions
    do throws(KacheryError) { self.proxy = text.isEmpty ? .none : .usable(try ProxyAddress(text)) } catch {
      self.proxy = .unusable(error.message)
    }
    self.exceptions = exceptions.parts(separatedBy: ",").flatMap { $0.parts(separatedBy: " ", omittingEmpty: true) }
      .filter { !$0.isEmpty }.map { Exception(String($0)) }
  }

  /// The proxy through which the host is reached; nil if it is reached directly. This machine always is.
  ///
  /// - Throws: `badConfiguration` if the configured proxy cannot be used.
  package func proxy(for host: String) throws(KacheryError) -> ProxyAddress? {
    guard proxy != .none else { return nil }
    let name = (host.removing(suffix: ".") ?? host[...]).lowercasedASCII
    let address = IPAddress(String(name.cut(at: "%").head))
    guard address?.scope != .loopback, name != "localhost", !exceptions.contains(where: { $0.covers(name, address) })
    else { return nil }
    switch proxy {
    case .none: return nil
    case .usable(let address): return address
    case .unusable(let problem): throw KacheryError(.badConfiguration, problem)
    }
  }
}

/// One entry of a list of hosts that are reached directly.
private enum Exception: Hashable {
  case everything
  case network(IPNetwork)
  /// The name, and each one below it.
  case name(String)

  init(_ text: String) {
    let (host, length) = text.cut(at: "/")
    let bare = String(host.removing(prefix: "[")?.removing(suffix: "]") ?? host)
    if text == "*" {
      self = .everything
    } else if let address = IPAddress(bare),
      let network = IPNetwork(of: address, length: length.flatMap { Int($0) } ?? address.bytes.count * 8)
    {
      self = .network(network)
    } else {
      let name = text.removing(prefix: "*.") ?? text.removing(prefix: ".") ?? text[...]
      self = .name(name.lowercasedASCII)
    }
  }

  func covers(_ name: String, _ address: IPAddress?) -> Bool {
    switch self {
    case .everything: true
    case .network(let network): address.map { network.contains($0) } ?? false
    case .name(let suffix): name == suffix || name.ends(with: ".\(suffix)")
    }
  }
}
