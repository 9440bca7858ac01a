import Primitives
import TestSupport
import Testing
import YAML

@Suite struct YAMLTests {
  @Test func readsAChannelConfiguration() throws {
    let document = try YAMLParser.parse(
      """
      # a channel
      channelLabel: the lab
      bootstrapAddresses:
        - {hostName: 10.0.0.1, port: 14507}
      authorizedNodes:
        - nodeId: 1234567890123456789012345678901234567890123456789012345678901234
          nodeLabel: "yes"
          isAdmin: true
          isPublic: no
          extra: [1, -2.5e3, null, ~, text]
      """)
    #expect(document["channelLabel"]?.text == "the lab")
    let address = document["bootstrapAddresses"]?.sequence?.first
    #expect(address?["hostName"]?.text == "10.0.0.1")
    #expect(address?["port"]?.integer == 14507)
    let node = try #require(document["authorizedNodes"]?.sequence?.first)
    #expect(node["nodeId"]?.text == "1234567890123456789012345678901234567890123456789012345678901234")
    #expect(node["nodeLabel"]?.bool == nil)
    #expect(node["nodeLabel"]?.text == "yes")
    #expect(node["isAdmin"]?.bool == true)
    #expect(node["isPublic"]?.bool == false)
    #expect(node["missing"] == nil)
    #expect(node["extra"]?.json == (try JSONParser.parse(#"[1,-2.5e3,null,null,"text"]"#)))
  }

  @Test func namesThatOnlyLookAlikeAreTwo() throws {
    let document = try YAMLParser.parse("M\u{fc}ller: 1\nMu\u{308}ller: 2")
    #expect(document["M\u{fc}ller"]?.integer == 1)
    #expect(document["Mu\u{308}ller"]?.integer == 2)
  }

  @Test(arguments: [
    ("a: 1\nb: {c: [x, 'y']}", #"{"a":1,"b":{"c":["x","y"]}}"#),
    ("", "null"), ("~", "null"), ("'~'", #""~""#), ("'12'", #""12""#), ("!!str 12", #""12""#), ("12", "12"),
    ("-0", "0"), ("0x10", #""0x10""#), ("1.5", "1.5"), (".5", "0.5"), ("nan", #""nan""#), ("infinity", #""infinity""#),
    (".inf", #"".inf""#), ("1e999", #""1e999""#), ("-", "[null]"), ("1_000", #""1_000""#), ("TRUE", "true"),
    ("yes", #""yes""#), ("off", #""off""#), ("2020-01-01", #""2020-01-01""#), ("|\n  a\n  b\n", #""a\nb\n""#),
    ("---\na: b\n...\n", #"{"a":"b"}"#), ("%YAML 1.1\n---\n[]\n", "[]"), ("é: ü", #"{"\u00e9":"\u00fc"}"#),
    ("&anchor a", #""a""#),
  ])
  func resolvesScalarsByTheCoreSchema(yaml: String, json: String) throws {
    #expect(try YAMLParser.parse(yaml).json.compact == json)
  }

  @Test(arguments: [
    ("a: 1\na: 2", "is repeated"), ("a: &x 1\nb: *x", "alias"), ("{[a]: b}", "not a plain word"),
    ("a: b\n---\nc: d", "second document"), ("a: [1", "Line"), ("\t- x", "Line"), ("a: b: c", "Line"),
    ("<<: *base", "alias"),
  ])
  func refusesWithALineAndAReason(yaml: String, reason: String) {
    let error = #expect(throws: KacheryError.self) { try YAMLParser.parse(yaml) }
    #expect(error?.code == .badConfiguration)
    #expect(error?.message.contains(reason) == true)
    #expect(error?.message.hasPrefix("Line ") == true)
  }

  @Test func refusesWhatIsTooDeepOrTooLarge() throws {
    let depth = YAMLParser.maximumDepth
    let deepest = String(repeating: "[", count: depth) + String(repeating: "]", count: depth)
    _ = try YAMLParser.parse(deepest)
    #expect(throws: KacheryError.self) { try YAMLParser.parse("[\(deepest)]") }
    #expect(throws: KacheryError.self) { try YAMLParser.parse(String(repeating: "[", count: 100_000)) }
    #expect(throws: KacheryError.self) { try YAMLParser.parse(String(repeating: "- ", count: 100_000)) }
    let most = YAMLParser.maximumValues
    #expect(throws: KacheryError.self) { try YAMLParser.parse("[" + String(repeating: "a,", count: most) + "]") }
    let large = #expect(throws: KacheryError.self) {
      try YAMLParser.parse([UInt8](repeating: 0x20, count: YAMLParser.maximumSize + 1))
    }
    #expect(large?.code == .tooLarge)
    _ = try YAMLParser.parse([UInt8](repeating: 0x0a, count: YAMLParser.maximumSize))
  }

  @Test func refusesBytesThatAreNoText() {
    for bytes: [UInt8] in [[0xff, 0xff], [0x61, 0x00], [0x22, 0xc3, 0x28, 0x22], [0xed, 0xa0, 0x80]] {
      #expect(throws: KacheryError.self) { try YAMLParser.parse(bytes) }
    }
  }
}
