import Files
package import Primitives
import YAML

/// What `kachery.yaml` says.
package struct SettingsFile: Hashable, Sendable {
  /// The file's name in the storage directory.
  package static let name = "kachery.yaml"
  /// Larger files are refused.
  private static let maximumSize = 1 << 20

  /// The values of one setting, and the line of its name.
  package struct Entry: Hashable, Sendable {
    package let texts: [String]
    package let line: Int
  }

  /// The settings with right values.
  package private(set) var entries: [SettingName: Entry] = [:]
  /// What is wrong, in the order of the lines.
  package private(set) var findings: [SettingFinding] = []

  /// A file that says nothing.
  package init() {}

  /// Reads the document. An entry that is wrong is a finding, and does not keep the others from being read.
  ///
  /// - Throws: `badConfiguration` if it is not YAML, or `tooLarge`.
  package init(yaml bytes: [UInt8]) throws(KacheryError) {
    let document: YAMLValue
    do throws(KacheryError) { document = try YAMLParser.parse(bytes) } catch {
      throw KacheryError(error.code, "\(Self.name) cannot be read: \(error.message)", cause: error)
    }
    guard let members = document.mapping else {
      if !document.isNull {
        findings = [
          SettingFinding(line: nil, setting: nil, text: "the file has no settings; write each as 'limitUp: 50'")
        ]
      }
      return
    }
    for member in members { read(member) }
    findings.sort { $0.line ?? 0 < $1.line ?? 0 }
  }

  /// Reads `kachery.yaml` in this directory; says nothing if there is none.
  package init(in directory: String) throws(KacheryError) {
    let path = "\(directory)/\(Self.name)"
    self.init()
    guard try FileSystem.statusIfPresent(path) != nil else { return }
    self = try SettingsFile(yaml: try FileSystem.read(path, limit: Self.maximumSize))
  }

  private mutating func read(_ member: YAMLMember) {
    guard let setting = Setting.all.first(where: { ByteString($0.name.rawValue) == member.name }) else {
      return findings.append(SettingFinding(line: member.line, setting: nil, text: Self.unknown(member.name.text)))
    }
    guard setting.isInFile else {
      let variable = setting.variables.first ?? ""
      let text = "'\(setting.name.rawValue)' cannot be set here; set the variable \(variable)"
      return findings.append(SettingFinding(line: member.line, setting: nil, text: text))
    }
    // Nothing is set, so that an entry can be left empty.
    guard !member.value.isNull else { return }
    let values = (setting.kind.isList ? member.value.sequence : nil) ?? [member.value]
    var texts: [String] = []
    for value in values {
      guard let scalar = value.scalar, !value.isNull else {
        let text = "\(setting.name.rawValue): what is written here is not \(setting.kind.form)"
        return findings.append(SettingFinding(line: member.line, setting: setting.name, text: text))
      }
      if let problem = setting.kind.problem(in: scalar.text) {
        let text = "\(setting.name.rawValue): \(problem)"
        findings.append(SettingFinding(line: scalar.line, setting: setting.name, text: text))
      }
      texts.append(setting.kind.normalized(scalar.text))
    }
    if texts.allSatisfy({ setting.kind.problem(in: $0) == nil }), let problem = setting.kind.problem(inAll: texts) {
      let text = "\(setting.name.rawValue): \(problem)"
      findings.append(SettingFinding(line: member.line, setting: setting.name, text: text))
    }
    // A proxy that cannot be used counts: nothing may be reached directly against the owner's intent.
    guard setting.name == .proxy || setting.kind.problem(inAll: texts) == nil else { return }
    entries[setting.name] = Entry(texts: texts, line: member.line)
  }

  /// What is right by itself, but has no effect without another setting, unless an option or a variable sets that.
  package var ineffective: [SettingFinding] {
    guard let gateway = entries[.gateway], entries[.gatewayChannel]?.texts.isEmpty ?? true else { return [] }
    let text = "gateway: nothing is served until gatewayChannel names a channel that this node has joined"
    return [SettingFinding(line: gateway.line, setting: .gateway, text: text)]
  }

  /// What is wrong with values of this setting, as a phrase; nil if nothing is.
  package static func problem(in texts: [String], of name: SettingName) -> String? {
    Setting.named(name).kind.problem(inAll: texts)
  }

  private static func unknown(_ name: String) -> String {
    let known = Setting.all.filter(\.isInFile).map(\.name.rawValue)
    let spelled = known.first { letters(of: $0) == letters(of: name) }
    let meant = spelled ?? EditDistance.nearest(to: String(name.prefix(bytes: 40)), among: known)
    let shown = name.printable.prefix(bytes: 60)
    return meant.map { "'\(shown)' is not a setting; did you mean '\($0)'?" }
      ?? "'\(shown)' is not a setting; 'kachery config show' lists all of them"
  }

  /// The name without hyphens and capitals: `limit-up` is meant to be `limitUp`.
  private static func letters(of name: String) -> [UInt8] {
    name.lowercasedASCII.utf8.filter { $0 != UInt8(ascii: "-") }
  }

  /// This file with the entries of an earlier one in place of those that are wrong, so that a mistake changes nothing.
  package func keepingEarlier(_ earlier: SettingsFile) -> SettingsFile {
    var file = self
    for case let name? in findings.map(\.setting) where file.entries[name] == nil {
      file.entries[name] = earlier.entries[name]
    }
    return file
  }

  /// This file with the entries of another one for the settings that `isReplaced` names.
  package func replacing(_ other: SettingsFile, where isReplaced: (SettingName) -> Bool) -> SettingsFile {
    var file = self
    for name in SettingName.allCases where isReplaced(name) { file.entries[name] = other.entries[name] }
    return file
  }
}
