import Primitives
import TestSupport
import Testing

@Suite struct JSONTests {
  @Test(arguments: [
    "", " ", "{", "[", "[1,]", "{\"a\":1,}", "{\"a\" 1}", "{a:1}", "'a'", "01", "1.", ".5", "-", "+1", "1e", "1e+",
    "tru",
    "nul", "\"\\x\"", "\"\\u12\"", "\"\\ud800\"", "\"\\ud800\\u0041\"", "\"\u{1}\"", "\"a", "1 2", "[1] x",
    "{\"a\":1,\"a\":2}", "1e999", "NaN", "Infinity",
  ])
  func refuses(_ text: String) {
    #expect(throws: JSONError.self) { try JSONParser.parse(text) }
  }

  @Test func reads() throws {
    let value = try JSONParser.parse(#" {"a": [1, -2.5, 1e3, true, false, null, "x\ny\u00e9\ud83d\ude00"], "b": {}} "#)
    let array = try #require(value["a"]?.array)
    #expect(array[0] == 1)
    #expect(array[1].number == -2.5)
    #expect(array[2].integer == 1_000)
    #expect(array[3] == true)
    #expect(array[5].isNull)
    #expect(array[6] == "x\nyé😀")
    #expect(value["b"] == [:])
    #expect(value["c"] == nil)
    #expect(try JSONParser.parse("9223372036854775807").integer == .max)
    #expect(try JSONParser.parse("9223372036854775808").number == 9.223372036854775808e18)
  }

  @Test func invalidUTF8IsRefused() {
    #expect(throws: JSONError.self) { try JSONParser.parse([UInt8(ascii: "\""), 0xff, UInt8(ascii: "\"")]) }
  }

  @Test func depthIsBounded() throws {
    let deepest = JSONParser.maximumDepth
    _ = try JSONParser.parse(String(repeating: "[", count: deepest) + String(repeating: "]", count: deepest))
    #expect(throws: JSONError.self) { try JSONParser.parse(String(repeating: "[", count: 1_000_000)) }
  }

  @Test(arguments: ["[1,2,3]", "[[[1]]]", "{\"a\":1,\"b\":[null]}", "[{},[],\"\"]"])
  func theNumberOfValuesIsBounded(text: String) throws {
    #expect(try JSONParser.parse(Array(text.utf8), maximumValues: 4) == JSONParser.parse(text))
    #expect(throws: JSONError.self) { try JSONParser.parse(Array(text.utf8), maximumValues: 3) }
    // The largest document of a folder, with three values per 70 bytes or more, is still accepted.
    #expect(JSONParser.maximumValues > 3 * Int(FolderDocument.maximumSize) / 70)
  }

  /// The output of Python's `json.dumps(value, separators=(",", ":"))`.
  @Test func compactIsWhatPythonWrites() throws {
    let value: JSONValue = [
      "size": 3, "sha1": "é\"\\\n\u{1}\u{7f}😀", "list": [1, true, .null, .double(1.5)], "empty": [:],
    ]
    let expected =
      "{\"size\":3,\"sha1\":\"\\u00e9\\\"\\\\\\n\\u0001\\u007f\\ud83d\\ude00\",\"list\":[1,true,null,1.5],\"empty\":{}}"
    #expect(value.compact == expected)
    #expect(try JSONParser.parse(value.compact) == value)
  }

  /// Python's output for these numbers.
  @Test(arguments: [
    (1e15, "1000000000000000.0"), (1e16, "1e+16"), (12_345_678_901_234_568, "1.2345678901234568e+16"),
    (18_014_398_509_481_984, "1.8014398509481984e+16"), (-1.25e16, "-1.25e+16"), (1e17, "1e+17"), (1e22, "1e+22"),
    (0.0001, "0.0001"), (0.00001, "1e-05"), (-0.0, "-0.0"), (.leastNonzeroMagnitude, "5e-324"), (0.1, "0.1"),
    (100, "100.0"),
    (1.7976931348623157e308, "1.7976931348623157e+308"), (9_007_199_254_740_992, "9007199254740992.0"),
  ])
  func numbersAreWhatPythonWrites(number: Double, text: String) throws {
    #expect(JSONValue.double(number).compact == text)
    #expect(try JSONParser.parse(text).number == number)
  }

  @Test func namesThatOnlyLookAlikeAreTwo() throws {
    let object = try #require(try JSONParser.parse(#"{"\u00e9":1,"e\u0301":2}"#).object)
    #expect(object["\u{e9}"] == 1)
    #expect(object["e\u{301}"] == 2)
    #expect(throws: JSONError.self) { try JSONParser.parse(#"{"\u00e9":1,"é":2}"#) }
  }

  /// Every spelling of a number is preserved, whether or not a double can represent it.
  @Test(arguments: [
    "0", "-0", "1.0", "1.50", "-2.5E+10", "1e3", "0.1234567890123456789012", "9007199254740993",
    "9223372036854775807", "-9223372036854775808", "9223372036854775808", "123456789012345678901234567890", "1e-400",
    "-0.0",
  ])
  func numbersAreWrittenAsTheyWereSpelled(literal: String) throws {
    for text in [literal, "[\(literal)]", "{\"a\":\(literal)}"] {
      #expect(try JSONParser.parse(text).compact == text)
      #expect(String(decoding: try JSONParser.parse(text).bytes(in: .readable), as: UTF8.self) == text)
    }
  }

  @Test(arguments: UInt64(0)..<50)
  func anyIntegerIsReadAndWrittenExactly(seed: UInt64) throws {
    var random = SeededRandom(seed: seed)
    for _ in 0..<200 {
      let integer = Int64(bitPattern: random.next()) >> random.number(0...63)
      #expect(try JSONParser.parse("\(integer)") == .integer(integer), "seed \(seed)")
    }
    for edge in [Int64.min, -1_000_000_000_000_000_000, -1, 0, 999_999_999_999_999_999, .max] {
      #expect(try JSONParser.parse("\(edge)").integer == edge)
    }
  }

  /// The output of Python's `json.dumps(json.loads(text))`.
  @Test(arguments: [
    ("1.50", "1.5"), ("1E3", "1000.0"), ("-0", "0"), ("-0.0", "-0.0"), ("12345678901234567890", "12345678901234567890"),
    ("1e16", "1e+16"),
  ])
  func theSortedFormSpellsNumbersAsPythonDoes(text: String, python: String) throws {
    #expect(String(decoding: try JSONParser.parse(text).bytes(in: .compactSorted), as: UTF8.self) == python)
  }

  @Test(arguments: [
    ("1.50", "1.5", true), ("1.5", "15e-1", true), ("100", "1E2", true), ("0", "-0.000e99999999999999999999", true),
    ("0.001", "1e-3", true), ("10.01", "1001e-2", true), ("1", "-1", false), ("1", "10", false),
    ("9007199254740993", "9007199254740992", false), ("0.1", "0.10000000000000001", false), ("1e-400", "0", false),
    ("1e99999999999999999999", "1e99999999999999999999", false),
  ])
  func literalsAreEqualByTheirDecimalValue(literal: String, other: String, areEqual: Bool) {
    #expect(JSONNumber.areEqual(literal, other) == areEqual)
    #expect(JSONNumber.areEqual(other, literal) == areEqual)
  }

  @Test func aNumberThatIsNotFiniteIsNull() {
    for number in [Double.nan, .infinity, -.infinity] {
      #expect(JSONNumber(number) == nil)
      #expect(JSONValue.double(number) == .null)
    }
  }

  @Test func aPlaceIsNamedAsPeopleWriteIt() {
    let place = JSONPlace.root.member("a").element(3).member("b_1").member("two words").member("").member("1")
    #expect(place.description == #"$.a[3].b_1["two words"][""]["1"]"#)
    #expect(JSONPlace.root.member("größe").description == #"$["gr\u00f6\u00dfe"]"#)
  }

  @Test func whatIsTooSmallIsZero() throws {
    #expect(try JSONParser.parse("1e-400").number == 0)
  }

  @Test func anAbsentMemberIsNotNull() {
    var object: JSONObject = ["a": .null]
    #expect(object["a"] == .some(.null))
    #expect(object["b"] == nil)
    object["a"] = nil
    #expect(object.members.isEmpty)
  }

  @Test(arguments: 0..<20)
  func mutatedDocumentsNeverTrap(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    let original = Array(
      #"{"a":[1,-2.5e10,12345678901234567890,0.10,true,null,"x\u00e9\ud83d\ude00\n"],"b":{"c":[[],{}]},"d":"ü"}"#.utf8)
    for _ in 0..<500 {
      var bytes = original
      for _ in 0..<Int.random(in: 1...6, using: &random) {
        bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
      }
      guard let value = try? JSONParser.parse(bytes) else { continue }
      #expect((try? JSONParser.parse(value.compact)) == value, "seed \(seed)")
    }
  }

  @Test func documentsThatWereKeptNeverTrap() throws {
    for (name, bytes) in try FuzzCorpus.inputs(of: "json") {
      guard let value = try? JSONParser.parse(bytes) else { continue }
      #expect((try? JSONParser.parse(value.compact)) == value, "\(name)")
    }
  }
}
