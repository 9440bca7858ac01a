import APIModel
import Discovery
import Files
import HTTP
package import Primitives
import Process
import Transfer

/// Reads the daemon's options and environment. Options override the environment, which overrides the
/// defaults.
package enum DaemonOptions {
  /// The configuration that these arguments (without the program's name) and this environment describe.
  ///
  /// - Throws: `badRequest`, naming the option.
  package static func parse(
    _ arguments: [String], environment: [ByteString: String], hostName: String
  ) throws(KacheryError) -> DaemonConfiguration {
    var configuration = DaemonConfiguration()
    configuration.label = hostName
    try read(environment, into: &configuration)
    var rest = arguments[...]
    var port: UInt16?
    while let argument = rest.popFirst() {
      let (head, tail) = argument.cut(at: "=")
      let name = ByteString(head)
      if let apply = flags[name], tail == nil {
        apply(&configuration)
        continue
      }
      guard let apply = values[name] else {
        throw KacheryError(.badRequest, "The option '\(name)' is unknown; see kachery daemon start --help.")
      }
      guard let value = tail.map({ String($0) }) ?? rest.popFirst() else {
        throw KacheryError(.badRequest, "The option '\(name)' needs a value.")
      }
      if name == "--port" { port = UInt16(value) }
      guard apply(&configuration, value) else {
        throw KacheryError(
          .badRequest,
          "\(name): '\(value)' is not \(forms[name] ?? "a valid value"); see kachery daemon start --help.")
      }
    }
    if let proxy = configuration.proxy, proxy != "none" {
      // The value, which may contain a password, is not repeated.
      do throws(KacheryError) { _ = try ProxyAddress(proxy) } catch {
        throw KacheryError(.badRequest, "--proxy: \(error.message)", cause: error)
      }
    }
    for channel in configuration.channels {
      do throws(KacheryError) { try JoinedChannel.requireJoinable(ByteString(channel)) } catch {
        throw KacheryError(.badRequest, "--channel: \(error.message)", cause: error)
      }
    }
    for name in configuration.introduced ?? [] {
      do throws(KacheryError) { try JoinedChannel.requireJoinable(ByteString(name)) } catch {
        throw KacheryError(.badRequest, "--introduce-only: \(error.message)", cause: error)
      }
    }
    // The recipe for a bootstrap node in the documentation of the published daemon. It did not relay.
    if !configuration.isBootstrap, configuration.announcedHost != nil, port ?? 0 > 0 {
      configuration.isBootstrap = true
      configuration.relays = false
    }
    if configuration.isBootstrap, port == nil { configuration.port = DaemonConfiguration.defaultBootstrapPort }
    guard configuration.isBootstrap || configuration.introduced == nil else {
      throw KacheryError(.badRequest, "--introduce-only limits a bootstrap node; add --isbootstrap.")
    }
    return configuration
  }

  /// What the values of options look like.
  private static let forms: [ByteString: String] = [
    "--bootstrap": "HOST:PORT, such as lab.example.org:14507, or wss://HOST[:PORT]",
    "--api-listen": "ADDRESS:PORT, such as 192.168.1.5:20443", "--host": "a host name or an address",
    "--port": "a port number from 0 to 65535", "--udp-port": "a port number from 0 to 65535",
    "--also-listen": "a port number from 1 to 65535", "--websocket-port": "a port number from 0 to 65535",
    "--log-format": "text or json", "--max-transfers": "a whole number, 0 or more", "--verbose": "a whole number",
    "--limit-up": "a rate in MB/s, such as 50 or 50,08:00-18:00=5",
    "--limit-down": "a rate in MB/s, such as 50 or 50,08:00-18:00=5",
    "--limit-relay": "a rate in MB/s, such as 50 or 50,08:00-18:00=5",
  ]

  private static let flags: [ByteString: @Sendable (inout DaemonConfiguration) -> Void] = [
    "--attached": { $0.endsWithInput = true },
    "--temporary": { $0.removesStorage = true },
    "--isbootstrap": { $0.isBootstrap = true },
    "--no-relay": { $0.relays = false },
    "--no-punching": { $0.punches = false },
    "--no-port-guessing": { $0.guessesPorts = false },
    "--no-lan": { $0.announcesLocalAddresses = false },
    "--noudp": { $0.usesUDP = false },
    "--no-port-mapping": { $0.mapsPorts = false },
    "--nomulticast": { $0.announcesByMulticast = false },
    "--multicast": { $0.announcesBesideProxy = true },
  ]

  private static let values: [ByteString: @Sendable (inout DaemonConfiguration, String) -> Bool] = [
    "--label": { configuration, value in
      configuration.label = value
      return !value.isEmpty
    },
    "--host": { configuration, value in
      configuration.announcedHost = value.isEmpty ? nil : value
      return value.isEmpty || Endpoint(host: value, port: 1) != nil
    },
    "--port": { configuration, value in
      guard let port = UInt16(value) else { return false }
      configuration.port = port
      return true
    },
    "--udp-port": { configuration, value in
      configuration.udpPort = UInt16(value)
      return value.isEmpty || configuration.udpPort != nil
    },
    "--websocket-port": { configuration, value in
      configuration.webSocketPort = UInt16(value)
      return value.isEmpty || configuration.webSocketPort != nil
    },
    "--also-listen": { configuration, value in
      guard let port = UInt16(value), port > 0 else { return false }
      configuration.furtherPorts.append(port)
      return true
    },
    "--bootstrap": { configuration, value in
      guard let address = Address(bootstrap: value) else { return false }
      if let endpoint = address.tcpEndpoint {
        configuration.bootstraps.append(endpoint)
      } else {
        configuration.webSocketBootstraps.append(address)
      }
      return true
    },
    "--introduce-only": { configuration, value in
      configuration.introduced = (configuration.introduced ?? []) + [value]
      return configuration.introduced?.count ?? 0 <= IntroductionLimit.maximumEntries
    },
    "--proxy": { configuration, value in
      configuration.proxy = value
      return !value.isEmpty
    },
    "--channel": { configuration, value in
      configuration.channels.append(value)
      return true
    },
    "--auth-group": { configuration, value in
      configuration.authorizedGroup = value.isEmpty ? nil : value
      return true
    },
    "--api-listen": { configuration, value in
      configuration.remoteAPI = Endpoint(value)
      return configuration.remoteAPI != nil
    },
    "--limit-up": { configuration, value in
      configuration.uploadLimit = try? RateSchedule(parsing: value)
      return configuration.uploadLimit != nil
    },
    "--limit-down": { configuration, value in
      configuration.downloadLimit = try? RateSchedule(parsing: value)
      return configuration.downloadLimit != nil
    },
    "--limit-relay": { configuration, value in
      configuration.relayLimit = try? RateSchedule(parsing: value)
      return configuration.relayLimit != nil
    },
    "--log-format": { configuration, value in
      configuration.logsJSON = value == "json"
      return ["json", "text"].contains(value)
    },
    "--max-transfers": { configuration, value in
      guard let count = Int(value), count >= 0 else { return false }
      configuration.maximumTransfers = count
      return true
    },
    "--verbose": { configuration, value in
      guard let level = Int(value) else { return false }
      configuration.logLevel = level > 0 ? .debug : .info
      return true
    },
    // Accepted for older scripts; without effect.
    "--public-url": { _, _ in true },
    "--static-config": { _, _ in true },
  ]

  private static func read(
    _ environment: [ByteString: String], into configuration: inout DaemonConfiguration
  ) throws(KacheryError) {
    func value(_ names: ByteString...) -> String? { first(of: names) }
    func first(of names: [ByteString]) -> String? {
      names.lazy.compactMap { environment[$0] }.first { !$0.isEmpty }
    }
    let home = Environment.home(named: value("HOME"))
    func folder(_ variable: ByteString, _ name: String) throws(KacheryError) -> String {
      if let named = value(variable) { return absolute(named, environment) }
      guard let home else {
        throw KacheryError(
          .badConfiguration, "There is no home folder: set KACHERY_STORAGE_DIR and KACHERY_P2P_CONFIG_DIR to folders.")
      }
      return absolute("\(home)/\(name)", environment)
    }
    configuration.storageDirectory = try folder("KACHERY_STORAGE_DIR", "kachery-storage")
    configuration.configurationDirectory = try folder("KACHERY_P2P_CONFIG_DIR", ".kachery-p2p")
    configuration.environmentProxy = first(of: ProxyRules.variables.map { ByteString($0) }) ?? ""
    configuration.environmentProxyExceptions = value("no_proxy", "NO_PROXY") ?? ""
    if let text = value("KACHERY_P2P_PORT_MAPPING") {
      guard let isWanted = switches[ByteString(text)] else {
        throw KacheryError(.badRequest, "KACHERY_P2P_PORT_MAPPING is '\(text)'; use yes or no.")
      }
      configuration.environmentMapsPorts = isWanted
    }
    if let text = value("KACHERY_P2P_API_PORT", "KACHERY_DAEMON_PORT") {
      guard let port = UInt16(text) else {
        throw KacheryError(.badRequest, "KACHERY_P2P_API_PORT is '\(text)', which is not a port number.")
      }
      configuration.apiPort = port
    }
  }

  private static let switches: [ByteString: Bool] = [
    "yes": true, "true": true, "1": true, "no": false, "false": false, "0": false,
  ]

  /// The absolute path: clients compare it, so it must not depend on the daemon's working directory.
  private static func absolute(_ path: String, _ environment: [ByteString: String]) -> String {
    let trimmed = path == "/" ? path : path.removing(suffix: "/").map { String($0) } ?? path
    guard !trimmed.begins(with: "/") else { return trimmed }
    let folder = environment["PWD"].flatMap { $0.begins(with: "/") ? $0 : nil } ?? (try? FileSystem.resolved("."))
    return "\(folder ?? ".")/\(trimmed)"
  }
}
