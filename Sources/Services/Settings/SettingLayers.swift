package import Primitives

/// Where the value of a setting comes from.
package enum SettingSource: Hashable, Sendable {
  /// The name of an option.
  case option(String)
  /// The name of a variable of the environment.
  case variable(String)
  /// The line of `kachery.yaml`.
  case file(line: Int)
  case standard

  /// The source for people.
  package var text: String {
    switch self {
    case .option(let name), .variable(let name): name
    case .file(let line): "\(SettingsFile.name), line \(line)"
    case .standard: "default"
    }
  }
}

/// The values of a setting, and where they come from.
package struct ResolvedSetting: Hashable, Sendable {
  /// Nil for the default.
  package let texts: [String]?
  package let source: SettingSource
}

/// The settings of a daemon by where they are set. An option counts before a variable, that before `kachery.yaml`, and
/// that before the default.
package struct SettingLayers: Sendable {
  private var options: [SettingName: ResolvedSetting] = [:]
  private var variables: [SettingName: ResolvedSetting] = [:]
  /// Variables of the whole system, which count after the file.
  private var systemVariables: [SettingName: ResolvedSetting] = [:]
  /// What `kachery.yaml` says.
  package var file = SettingsFile()

  /// Layers without a value.
  package init() {}

  /// Reads the variables of the environment.
  ///
  /// - Returns: the layers, without the values that are wrong, and what is wrong with these.
  package static func read(_ environment: [ByteString: String]) -> (layers: SettingLayers, findings: [SettingFinding]) {
    var layers = SettingLayers()
    var findings: [SettingFinding] = []
    func first(of names: [String]) -> (name: String, text: String)? {
      names.lazy.compactMap { name in environment[ByteString(name)].map { (name, $0) } }.first { !$0.1.isEmpty }
    }
    for setting in Setting.all {
      if let (name, text) = first(of: setting.systemVariables) {
        layers.systemVariables[setting.name] = ResolvedSetting(texts: [text], source: .variable(name))
      }
      guard let (name, text) = first(of: setting.variables) else { continue }
      let texts = setting.kind.isList ? elements(of: text) : [text]
      if let problem = setting.kind.problem(inAll: texts) {
        findings.append(SettingFinding(line: nil, setting: setting.name, text: "\(name): \(problem)"))
        continue
      }
      layers.variables[setting.name] = ResolvedSetting(
        texts: texts.map(setting.kind.normalized), source: .variable(name))
    }
    return (layers, findings)
  }

  /// The elements of a variable that holds a list: separated by commas, with or without blanks.
  private static func elements(of text: String) -> [String] {
    text.parts(separatedBy: ",").map { part in
      let blank = UInt8(ascii: " ")
      let tail = part.utf8.drop { $0 == blank }
      return String(Substring(tail.prefix(tail.count - tail.reversed().prefix { $0 == blank }.count)))
    }.filter { !$0.isEmpty }
  }

  /// Takes over an option of the command line. One that is repeated adds to a list, and replaces any other value.
  ///
  /// - Parameter value: nil if the option stands for a value itself.
  /// - Throws: `badRequest` if the value is wrong.
  package mutating func set(
    _ option: Setting.Option, of setting: Setting, to value: String?
  ) throws(KacheryError) {
    let text = setting.kind.normalized(option.fixedValue ?? value ?? "")
    let texts = setting.kind.isList ? (options[setting.name]?.texts ?? []) + [text] : [text]
    if let problem = setting.kind.problem(in: text) ?? setting.kind.problem(inAll: texts) {
      throw KacheryError(.badRequest, "\(option.name): \(problem); see kachery daemon start --help.")
    }
    options[setting.name] = ResolvedSetting(texts: texts, source: .option(option.name))
  }

  /// The value that counts.
  package func resolved(_ name: SettingName) -> ResolvedSetting {
    if let given = given(name) { return given }
    if let entry = file.entries[name] { return ResolvedSetting(texts: entry.texts, source: .file(line: entry.line)) }
    return systemVariables[name] ?? ResolvedSetting(texts: nil, source: .standard)
  }

  /// The value that an option, or else a variable, gives; nil if none does.
  package func given(_ name: SettingName) -> ResolvedSetting? { options[name] ?? variables[name] }
}

extension SettingLayers {
  /// A text that is set and not empty; nil for the default.
  package func text(_ name: SettingName) -> String? {
    resolved(name).texts?.last.flatMap { $0.isEmpty ? nil : $0 }
  }

  /// The values of a list; empty for the default.
  package func list(_ name: SettingName) -> [String] { resolved(name).texts ?? [] }

  /// Whether a setting that is yes or no is on; nil for the default.
  package func isOn(_ name: SettingName) -> Bool? { text(name).flatMap(SettingKind.isOn) }

  /// Whether nothing sets it but, at most, a variable of the whole system.
  package func isSystemWide(_ name: SettingName) -> Bool { given(name) == nil && file.entries[name] == nil }

  /// Whether an option sets it.
  package func isOption(_ name: SettingName) -> Bool { options[name] != nil }
}
