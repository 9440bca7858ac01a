import Foundation
import Primitives
import TestSupport
import Testing

@testable import Settings

/// The table of settings, which source counts, and what is shown.
@Suite struct SettingLayersTests {
  private func layers(
    _ options: [(ByteString, String?)] = [], _ environment: [ByteString: String] = [:], _ yaml: String = ""
  ) throws -> SettingLayers {
    var (layers, findings) = SettingLayers.read(environment)
    #expect(findings == [])
    layers.file = try SettingsFile(yaml: Array(yaml.utf8))
    for (name, value) in options {
      let known = try #require(Setting.option(named: name))
      try layers.set(known.option, of: known.setting, to: value)
    }
    return layers
  }

  @Test func theTableIsWhole() {
    #expect(Set(Setting.all.map(\.name)) == Set(SettingName.allCases))
    #expect(Setting.all.count == SettingName.allCases.count)
    for names in [Setting.all.flatMap(\.options).map(\.name), Setting.all.flatMap(\.variables)] {
      #expect(Set(names).count == names.count)
    }
    #expect(Setting.named(.limitUp).variables == ["KACHERY_P2P_LIMIT_UP"])
    #expect(Setting.named(.maxTransfers).variables == ["KACHERY_P2P_MAX_TRANSFERS"])
    #expect(Setting.named(.portMapping).variables == ["KACHERY_P2P_PORT_MAPPING"])
    #expect(Setting.named(.apiPort).variables.first == "KACHERY_P2P_API_PORT")
  }

  @Test func anOptionCountsBeforeAVariableAndThatBeforeTheFile() throws {
    let (variable, yaml): ([ByteString: String], String) = (["KACHERY_P2P_LIMIT_UP": "2"], "# x\nlimitUp: 3")
    #expect(try layers().resolved(.limitUp) == ResolvedSetting(texts: nil, source: .standard))
    #expect(try layers([], [:], yaml).resolved(.limitUp) == ResolvedSetting(texts: ["3"], source: .file(line: 2)))
    let both = try layers([], variable, yaml).resolved(.limitUp)
    #expect(both == ResolvedSetting(texts: ["2"], source: .variable("KACHERY_P2P_LIMIT_UP")))
    let all = try layers([("--limit-up", "1")], variable, yaml).resolved(.limitUp)
    #expect(all == ResolvedSetting(texts: ["1"], source: .option("--limit-up")))
  }

  /// They are not kachery's, so that its own file counts before them.
  @Test func variablesOfTheWholeSystemCountLast() throws {
    let environment: [ByteString: String] = ["https_proxy": "http://a:1", "no_proxy": "x"]
    #expect(try layers([], environment).text(.proxy) == "http://a:1")
    #expect(try layers([], environment, "proxy: http://b:2").text(.proxy) == "http://b:2")
    let own = environment.merging(["KACHERY_P2P_PROXY": "none"]) { $1 }
    #expect(try layers([], own, "proxy: b:2").text(.proxy) == "none")
    #expect(try layers([], environment).isSystemWide(.proxy))
    #expect(try !layers([], environment, "proxy: b:2").isSystemWide(.proxy))
  }

  @Test func listsAddUpWithinOneSource() throws {
    let options: [(ByteString, String?)] = [("--bootstrap", "a:1"), ("--bootstrap", "b:2")]
    #expect(try layers(options, [:], "bootstrap: c:3").list(.bootstrap) == ["a:1", "b:2"])
    #expect(try layers([], ["KACHERY_P2P_BOOTSTRAP": "a:1, b:2 ,"]).list(.bootstrap) == ["a:1", "b:2"])
  }

  @Test func flagsStandForTheirValues() throws {
    #expect(try layers([("--noudp", nil)], [:], "udp: yes").isOn(.udp) == false)
    #expect(try layers([("--multicast", nil)]).isOn(.multicast) == true)
    #expect(try layers([("--nomulticast", nil)]).isOn(.multicast) == false)
    #expect(try layers([], ["KACHERY_P2P_RELAY": "0"]).isOn(.relay) == false)
  }

  @Test func aWrongVariableIsAFinding() {
    let (layers, findings) = SettingLayers.read(["KACHERY_P2P_PORT": "x", "KACHERY_P2P_LIMIT_UP": "5"])
    #expect(findings.map(\.description) == ["KACHERY_P2P_PORT: 'x' is not a port number from 0 to 65535."])
    #expect(layers.text(.limitUp) == "5" && layers.text(.port) == nil)
  }

  @Test func changesNameBothValues() throws {
    let old = try layers([], [:], "limitUp: 5\nport: 1\nproxy: http://u:pw@h:1\nintroduceOnly: [secret]\n")
    let new = try layers([], [:], "limitUp: 10\nport: 2\nproxy: http://u:other@h:2\nchannel: secret\n")
    let changes = SettingChange.between(old, new)
    #expect(changes.map(\.name) == [.port, .channel, .introduceOnly, .proxy, .limitUp])
    #expect(changes.map(\.isApplied) == [false, false, true, true, true])
    #expect(changes.last?.text == "limitUp is now 10, was 5")
    #expect(changes.first?.text == "port is now 2, was 1")
    #expect(changes.allSatisfy { !$0.text.contains("secret") && !$0.text.contains("pw") && !$0.text.contains("other") })
    #expect(SettingChange.between(old, old) == [])
    let given: [(ByteString, String?)] = [("--limit-up", "1")]
    let unchanged = SettingChange.between(try layers(given, [:], "limitUp: 5"), try layers(given, [:], "limitUp: 6"))
    #expect(unchanged == [], "the option counts before and after")
  }

  @Test func aReportSurvivesItsWay() throws {
    let current = try layers([("--label", "lab")], [:], "proxy: http://u:pw@h:1\nport: 1\n")
    var written = current
    written.file = try SettingsFile(yaml: Array("proxy: http://u:pw@h:1\nport: 2\n".utf8))
    let report = SettingsReport(
      current, written: written, actual: [.storageDirectory: "/data"], file: "/data/kachery.yaml", problems: ["one"])
    #expect(SettingsReport(json: report.json) == report)
    let entries = Dictionary(uniqueKeysWithValues: report.entries.map { ($0.name, $0) })
    #expect(entries["label"]?.source == "--label" && entries["label"]?.value == "lab")
    #expect(entries["port"]?.pending == "2" && entries["port"]?.source == "kachery.yaml, line 2")
    #expect(entries["proxy"]?.value == "http://…@h:1" && entries["proxy"]?.pending == nil)
    #expect(entries["storageDir"]?.value == "/data" && entries["maxTransfers"]?.value == "1024")
    #expect(entries["maxTransfers"]?.source == "default")
    #expect(!report.json.compact.contains("pw"))
  }

  /// The table in docs/settings.md is the one of the program.
  @Test func theDocumentationHasTheSameTable() throws {
    let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
    let page = try String(contentsOf: root.appending(path: "docs/settings.md"), encoding: .utf8)
    let written = page.split(separator: "\n").filter { $0.hasPrefix("| `") }.map(String.init)
    #expect(written == Setting.all.map(\.row), "expected:\n\(Setting.all.map(\.row).joined(separator: "\n"))")
  }
}

extension Setting {
  /// Its line in the documentation.
  fileprivate var row: String {
    let code = { (names: [String]) in names.isEmpty ? "" : names.map { "`\($0)`" }.joined(separator: ", ") }
    let cells = [
      isInFile ? "`\(name.rawValue)`" : "`\(name.rawValue)` (not in the file)",
      code(options.map { $0.name + ($0.placeholder.map { " \($0)" } ?? "") }), code(variables + systemVariables),
      kind.form + (kind.isList ? "; a list" : ""), defaultText.isEmpty ? "none" : defaultText,
      isReloaded ? "reload" : "restart", meaning,
    ]
    return "| " + cells.joined(separator: " | ") + " |"
  }
}
