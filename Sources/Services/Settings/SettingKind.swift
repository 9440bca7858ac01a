import APIModel
import HTTP
import Primitives

/// Which values a setting takes.
package enum SettingKind: Sendable {
  /// Yes or no.
  case toggle
  /// A text that is not empty.
  case label
  /// A text; empty for none.
  case name
  case folder
  /// A host name or an address; empty for none.
  case host
  case port
  /// A port; empty for none.
  case optionalPort
  /// Ports other than 0.
  case furtherPorts
  /// A whole number, 0 or more.
  case count
  /// A whole number.
  case level
  /// A number of GiB above 0.
  case size
  /// MB a second, by the time of day.
  case rate
  case proxy
  /// Hosts, separated by commas.
  case hosts
  case endpoint
  /// A numeric IPv4 address and a port.
  case gateway
  /// Origins of pages, or `*`.
  case origins
  case bootstraps
  case channels
  /// Node IDs, and names or addresses of channels.
  case introduced
  case format

  /// Most node IDs and channels that a bootstrap node may be limited to.
  private static let maximumIntroduced = 256

  /// Whether it takes several values.
  package var isList: Bool {
    switch self {
    case .furtherPorts, .bootstraps, .channels, .introduced, .origins: true
    default: false
    }
  }

  /// Whether its values are not for everyone: a node that knows the name of a channel is a member.
  var isSecret: Bool {
    switch self {
    case .channels, .introduced, .proxy: true
    default: false
    }
  }

  /// What a value looks like.
  package var form: String {
    switch self {
    case .toggle: "yes or no"
    case .label: "a name"
    case .name: "a name, or empty for none"
    case .folder: "a folder"
    case .host: "a host name or an address"
    case .port, .optionalPort: "a port number from 0 to 65535"
    case .furtherPorts: "a port number from 1 to 65535"
    case .count: "a whole number, 0 or more"
    case .level: "a whole number"
    case .size: "a number of GiB above 0"
    case .rate: "a rate in MB/s, such as 50 or 50,08:00-18:00=5"
    case .proxy: "http://HOST:PORT or none"
    case .hosts: "a list of hosts, separated by commas"
    case .endpoint: "ADDRESS:PORT, such as 192.168.1.5:20443"
    case .gateway: "an IPv4 address and a port, such as 0.0.0.0:8080"
    case .origins: "the origin of a site, such as https://lab.example.org, or *"
    case .bootstraps: "HOST:PORT, such as lab.example.org:14507, or wss://HOST[:PORT]"
    case .channels: "the name or the address of a channel"
    case .introduced: "a list of at most \(Self.maximumIntroduced) node IDs and channels"
    case .format: "text or json"
    }
  }

  /// The value in its one spelling.
  func normalized(_ text: String) -> String {
    guard case .toggle = self, let isOn = Self.isOn(text) else { return text }
    return isOn ? "yes" : "no"
  }

  /// What is wrong with a value, as a phrase that follows its name; nil if nothing is.
  func problem(in text: String) -> String? {
    switch self {
    case .proxy: proxyProblem(text)
    case .channels, .introduced: channelProblem(text)
    default: isRight(text) ? nil : "'\(masked(text))' is not \(form)"
    }
  }

  /// What is wrong with all values together; nil if nothing is.
  func problem(inAll texts: [String]) -> String? {
    if case .introduced = self, texts.count > Self.maximumIntroduced { return "it is not \(form)" }
    return texts.lazy.compactMap(problem).first
  }

  private func isRight(_ text: String) -> Bool {
    switch self {
    case .toggle: Self.isOn(text) != nil
    case .label, .folder: !text.isEmpty
    case .name, .hosts, .proxy, .channels, .introduced: true
    case .host: text.isEmpty || Endpoint(host: text, port: 1) != nil
    case .port: UInt16(text) != nil
    case .optionalPort: text.isEmpty || UInt16(text) != nil
    case .furtherPorts: UInt16(text) ?? 0 > 0
    case .count: Int(text).map { $0 >= 0 } ?? false
    case .level: Int(text) != nil
    case .size: Quantity.bytes(gibibytes: text) != nil
    case .rate: (try? RateSchedule(parsing: text)) != nil
    case .endpoint: Endpoint(text) != nil
    case .gateway: Endpoint(text).map { IPAddress($0.host)?.bytes.count == 4 } ?? false
    case .origins: Self.isOrigin(text)
    case .bootstraps: Address(bootstrap: text) != nil
    case .format: ["json", "text"].contains(ByteString(text))
    }
  }

  /// The text may contain a password, so it is not repeated.
  private func proxyProblem(_ text: String) -> String? {
    guard ByteString(text) != "none" else { return nil }
    do throws(KacheryError) {
      _ = try ProxyAddress(text)
      return nil
    } catch {
      return error.message.removing(suffix: ".").map { String($0) } ?? error.message
    }
  }

  private func channelProblem(_ text: String) -> String? {
    do throws(KacheryError) {
      try JoinedChannel.requireJoinable(ByteString(text))
      return nil
    } catch {
      return error.message.removing(suffix: ".").map { String($0) } ?? error.message
    }
  }

  /// Whether the text is an origin as browsers send it (RFC 6454, section 6.2), or `*`.
  private static func isOrigin(_ text: String) -> Bool {
    guard ByteString(text) != "*" else { return true }
    let host = text.removing(prefix: "https://") ?? text.removing(prefix: "http://")
    guard let host, ByteString(text) == ByteString(text.lowercasedASCII) else { return false }
    let hasPort = Endpoint(String(host)) != nil
    return !host.utf8.contains { "/?#@, ".utf8.contains($0) }
      && (hasPort || Endpoint(host: String(host), port: 1) != nil && !host.ends(with: ":"))
  }

  /// The value without a password.
  func masked(_ text: String) -> String {
    guard case .proxy = self, ByteString(text) != "none" else { return text }
    guard let proxy = try? ProxyAddress(text) else { return "an address that cannot be used" }
    return proxy.user.isEmpty ? "\(proxy)" : "http://…@\(proxy.endpoint)"
  }

  /// The spellings of YAML 1.1 and 1.2, and the numbers that variables often have; nil for any other text.
  static func isOn(_ text: String) -> Bool? {
    switch ByteString(text.lowercasedASCII) {
    case "yes", "true", "on", "1": true
    case "no", "false", "off", "0": false
    default: nil
    }
  }
}
