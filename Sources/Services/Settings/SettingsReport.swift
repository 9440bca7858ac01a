package import Primitives

/// Every setting with its value, for `kachery config show` and `/v1/config`.
package struct SettingsReport: Hashable, Sendable {
  /// One setting.
  package struct Entry: Hashable, Sendable {
    package let name: String
    /// The value without passwords.
    package let value: String
    /// Where it comes from: an option, a variable, a line of `kachery.yaml`, or `default`.
    package let source: String
    /// Whether a running daemon applies a change in `kachery.yaml`.
    package let isReloaded: Bool
    /// The value that a restart would bring, if `kachery.yaml` now says something else.
    package var pending: String?
  }

  /// The path of `kachery.yaml`.
  package let file: String
  package let entries: [Entry]
  /// What is wrong in `kachery.yaml`.
  package let problems: [String]

  /// - Parameters:
  ///   - current: the layers in effect.
  ///   - written: the layers with what `kachery.yaml` says now, if that differs.
  ///   - actual: values that the running daemon knows better than the table of settings.
  package init(
    _ current: SettingLayers, written: SettingLayers? = nil, actual: [SettingName: String] = [:], file: String,
    problems: [String]
  ) {
    self.file = file
    self.problems = problems
    entries = Setting.all.map { setting in
      let resolved = current.resolved(setting.name)
      let usual = setting.defaultText.isEmpty ? "none" : setting.defaultText
      var entry = Entry(
        name: setting.name.rawValue,
        value: actual[setting.name] ?? resolved.texts.map(setting.shown) ?? usual, source: resolved.source.text,
        isReloaded: setting.isReloaded)
      if let after = written?.resolved(setting.name), after.texts != resolved.texts {
        entry.pending = after.texts.map(setting.shown) ?? usual
      }
      return entry
    }
  }

  package var json: JSONValue {
    [
      "file": .string(file),
      "settings": .array(
        entries.map { entry in
          [
            "name": .string(entry.name), "value": .string(entry.value), "source": .string(entry.source),
            "isReloaded": .bool(entry.isReloaded), "afterRestart": entry.pending.map { .string($0) } ?? .null,
          ]
        }), "problems": .array(problems.map { .string($0) }),
    ]
  }

  /// Reads a daemon's answer. What is missing stays empty.
  package init(json: JSONValue) {
    file = json["file"]?.string ?? ""
    problems = (json["problems"]?.array ?? []).compactMap(\.string)
    entries = (json["settings"]?.array ?? []).map { element in
      Entry(
        name: element["name"]?.string ?? "", value: element["value"]?.string ?? "",
        source: element["source"]?.string ?? "", isReloaded: element["isReloaded"]?.bool ?? false,
        pending: element["afterRestart"]?.string)
    }
  }
}
