/// A setting that has another value than before.
package struct SettingChange: Hashable, Sendable {
  package let name: SettingName
  let old: ResolvedSetting
  let new: ResolvedSetting

  /// The settings whose values differ.
  package static func between(_ old: SettingLayers, _ new: SettingLayers) -> [SettingChange] {
    SettingName.allCases.compactMap { name in
      let change = SettingChange(name: name, old: old.resolved(name), new: new.resolved(name))
      return change.old.texts == change.new.texts ? nil : change
    }
  }

  /// Whether a running daemon applies it.
  package var isApplied: Bool { Setting.named(name).isReloaded }

  /// The change with both values, for the log: `limitUp is now 10, was 5`.
  package var text: String { "\(name.rawValue) is now \(shown(new)), was \(shown(old))" }

  private func shown(_ resolved: ResolvedSetting) -> String {
    let setting = Setting.named(name)
    guard let texts = resolved.texts else {
      return setting.defaultText.isEmpty ? "not set" : "the default (\(setting.defaultText))"
    }
    return setting.shownInLog(texts)
  }
}
