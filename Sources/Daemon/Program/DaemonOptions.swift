import APIModel
import Files
import HTTP
package import Primitives
import Process
package import Settings

/// Reads the daemon's options, environment and `kachery.yaml`, in this order of precedence.
package enum DaemonOptions {
  /// The configuration that these arguments (without the program's name), this environment and this file describe.
  ///
  /// - Throws: `badRequest`, naming the option or the variable.
  package static func parse(
    _ arguments: [String], environment: [ByteString: String], hostName: String, file: SettingsFile = SettingsFile()
  ) throws(KacheryError) -> DaemonConfiguration {
    var configuration = DaemonConfiguration()
    let (variables, findings) = SettingLayers.read(environment)
    if let finding = findings.first { throw KacheryError(.badRequest, finding.description) }
    configuration.layers = variables
    configuration.layers.file = file
    try read(arguments, into: &configuration)
    try setFolders(environment, of: &configuration)
    configuration.environmentProxy = first(of: ProxyRules.variables, environment) ?? ""
    configuration.environmentProxyExceptions = first(of: ["no_proxy", "NO_PROXY"], environment) ?? ""
    configuration.label = configuration.layers.text(.label) ?? hostName
    try configuration.applyLayers()
    return configuration
  }

  private static func read(
    _ arguments: [String], into configuration: inout DaemonConfiguration
  ) throws(KacheryError) {
    var rest = arguments[...]
    while let argument = rest.popFirst() {
      let (head, tail) = argument.cut(at: "=")
      let name = ByteString(head)
      if let apply = flags[name], tail == nil {
        apply(&configuration)
        continue
      }
      let known = Setting.option(named: name)
      guard known != nil && (known?.option.placeholder != nil || tail == nil) || withoutEffect.contains(name) else {
        throw KacheryError(.badRequest, "The option '\(name)' is unknown; see kachery daemon start --help.")
      }
      var value: String?
      if known.map({ $0.option.placeholder != nil }) ?? true {
        value = tail.map { String($0) } ?? rest.popFirst()
        guard value != nil else { throw KacheryError(.badRequest, "The option '\(name)' needs a value.") }
      }
      if let known { try configuration.layers.set(known.option, of: known.setting, to: value) }
    }
  }

  /// Options of the daemon's program that are no settings.
  private static let flags: [ByteString: @Sendable (inout DaemonConfiguration) -> Void] = [
    "--attached": { $0.endsWithInput = true },
    "--temporary": { $0.removesStorage = true },
  ]

  /// Accepted for older scripts, with a value.
  private static let withoutEffect: Set<ByteString> = ["--public-url", "--static-config"]

  private static func setFolders(
    _ environment: [ByteString: String], of configuration: inout DaemonConfiguration
  ) throws(KacheryError) {
    configuration.storageDirectory = try storageDirectory(environment)
    configuration.configurationDirectory = try folder("KACHERY_P2P_CONFIG_DIR", ".kachery-p2p", environment)
  }

  /// The storage directory that this environment names, or else the usual one.
  ///
  /// - Throws: `badConfiguration` if there is neither.
  package static func storageDirectory(_ environment: [ByteString: String]) throws(KacheryError) -> String {
    try folder("KACHERY_STORAGE_DIR", "kachery-storage", environment)
  }

  private static func folder(
    _ variable: String, _ name: String, _ environment: [ByteString: String]
  ) throws(KacheryError) -> String {
    if let named = first(of: [variable], environment) { return absolute(named, environment) }
    guard let home = Environment.home(named: first(of: ["HOME"], environment)) else {
      throw KacheryError(
        .badConfiguration, "There is no home folder: set KACHERY_STORAGE_DIR and KACHERY_P2P_CONFIG_DIR to folders.")
    }
    return absolute("\(home)/\(name)", environment)
  }

  private static func first(of names: [String], _ environment: [ByteString: String]) -> String? {
    names.lazy.compactMap { environment[ByteString($0)] }.first { !$0.isEmpty }
  }

  /// The absolute path: clients compare it, so it must not depend on the daemon's working directory.
  private static func absolute(_ path: String, _ environment: [ByteString: String]) -> String {
    let trimmed = path == "/" ? path : path.removing(suffix: "/").map { String($0) } ?? path
    guard !trimmed.begins(with: "/") else { return trimmed }
    let folder = environment["PWD"].flatMap { $0.begins(with: "/") ? $0 : nil } ?? (try? FileSystem.resolved("."))
    return "\(folder ?? ".")/\(trimmed)"
  }
}
