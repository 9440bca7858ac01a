/// Something in `kachery.yaml`, or in the environment, that its owner should correct.
package struct SettingFinding: Hashable, Sendable {
  /// The line of `kachery.yaml`, counted from 1; nil if it is elsewhere.
  package let line: Int?
  /// The setting with a wrong value; nil if no setting is meant.
  package let setting: SettingName?
  /// What is wrong and what helps, without a full stop.
  package let text: String

  package init(line: Int?, setting: SettingName?, text: String) {
    self.line = line
    self.setting = setting
    self.text = text
  }

  /// The finding as one sentence, with its line: `line 3: 'limitUpp' is not a setting; did you mean 'limitUp'?`
  package var description: String {
    (line.map { "line \($0): " } ?? "") + text + ("?.".utf8.contains(text.utf8.last ?? 0) ? "" : ".")
  }
}
