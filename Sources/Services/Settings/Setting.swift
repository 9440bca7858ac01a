package import Primitives

/// One setting of a daemon: where it can be set, which values it takes, and when a change takes effect.
package struct Setting: Sendable {
  /// An option of the command line that sets it.
  package struct Option: Sendable {
    package let name: String
    /// What its value stands for; nil if the option has none.
    package let placeholder: String?
    /// The value that the option itself stands for, if it takes none.
    let fixedValue: String?
    /// What it does, as `--help` shows it.
    package let help: String
  }

  package let name: SettingName
  package let options: [Option]
  /// The variables of the environment that set it; the first that is not empty counts.
  package let variables: [String]
  /// Variables of the whole system, which count if nothing else sets it.
  package let systemVariables: [String]
  /// Whether it can be set in `kachery.yaml`.
  package let isInFile: Bool
  package let kind: SettingKind
  /// The default, for people; empty for none.
  package let defaultText: String
  /// Whether a running daemon applies a change in `kachery.yaml`. Other changes take effect when it is restarted.
  package let isReloaded: Bool
  /// What it means, in a few words.
  package let meaning: String

  /// A setting whose options take its value.
  ///
  /// - Parameters:
  ///   - option: the option's name and what its value stands for.
  ///   - variables: nil for the usual one, `KACHERY_P2P_…`.
  init(
    _ name: SettingName, option: (name: String, placeholder: String)? = nil, _ kind: SettingKind,
    variables: [String]? = nil, systemVariables: [String] = [], isInFile: Bool = true, default defaultText: String = "",
    isReloaded: Bool = false, _ meaning: String
  ) {
    let usual = defaultText.isEmpty ? "" : " (\(defaultText))"
    let help = meaning + (kind.isList ? "; repeatable" : "") + usual
    self.init(
      name,
      options: option.map { [Option(name: $0.name, placeholder: $0.placeholder, fixedValue: nil, help: help)] } ?? [],
      kind, variables: variables, systemVariables: systemVariables, isInFile: isInFile, default: defaultText,
      isReloaded: isReloaded, meaning)
  }

  /// A setting whose options each stand for one value.
  init(
    _ name: SettingName, flags: [(name: String, value: String, help: String)], default defaultText: String,
    isReloaded: Bool = false, _ meaning: String
  ) {
    self.init(
      name,
      options: flags.map { Option(name: $0.name, placeholder: nil, fixedValue: $0.value, help: $0.help) },
      .toggle, variables: nil, systemVariables: [], isInFile: true, default: defaultText, isReloaded: isReloaded,
      meaning)
  }

  private init(
    _ name: SettingName, options: [Option], _ kind: SettingKind, variables: [String]?, systemVariables: [String],
    isInFile: Bool, default defaultText: String, isReloaded: Bool, _ meaning: String
  ) {
    self.name = name
    self.options = options
    self.kind = kind
    self.variables = variables ?? [Self.variable(for: name)]
    self.systemVariables = systemVariables
    self.isInFile = isInFile
    self.defaultText = defaultText
    self.isReloaded = isReloaded
    self.meaning = meaning
  }

  /// The usual name of a variable: `limitUp` is `KACHERY_P2P_LIMIT_UP`.
  private static func variable(for name: SettingName) -> String {
    let letters = name.rawValue.utf8.flatMap { letter -> [UInt8] in
      (0x41...0x5a).contains(letter) ? [UInt8(ascii: "_"), letter] : [letter & ~0x20]
    }
    return "KACHERY_P2P_" + String(decoding: letters, as: UTF8.self)
  }

  /// The values as they may appear in a log, which more people read than the configuration.
  package func shownInLog(_ texts: [String]) -> String {
    guard kind.isSecret else { return shown(texts) }
    return kind.isList ? "\(texts.count) name\(texts.count == 1 ? "" : "s")" : shown(texts)
  }

  /// The values for the daemon's owner: without the password of a proxy.
  package func shown(_ texts: [String]) -> String {
    guard texts.contains(where: { !$0.isEmpty }) else { return "none" }
    return texts.map { kind.masked($0).printable }.joined(separator: ", ")
  }
}

extension Setting {
  /// The setting with this name.
  package static func named(_ name: SettingName) -> Setting { byName[name] ?? all[0] }

  /// The setting that an option of the command line sets, and that option; nil if there is none.
  package static func option(named name: ByteString) -> (setting: Setting, option: Option)? {
    for setting in all {
      if let option = setting.options.first(where: { ByteString($0.name) == name }) { return (setting, option) }
    }
    return nil
  }

  private static let byName = Dictionary(uniqueKeysWithValues: all.map { ($0.name, $0) })
}
