import Crypto
import Primitives
import TestSupport
import Testing

@Suite struct CanonicalJSONTests {
  private func canonical(_ text: String) throws -> String {
    String(decoding: CanonicalJSON.encode(try JSONParser.parse(text)), as: UTF8.self)
  }

  /// Numbers as ECMAScript prints them; the values of RFC 8785, appendix B.
  @Test(arguments: [
    ("0", "0"), ("-0", "0"), ("1", "1"), ("-1", "-1"), ("1e0", "1"), ("10.50", "10.5"), ("1e21", "1e+21"),
    ("1e20", "100000000000000000000"), ("123456789012345678", "123456789012345680"), ("0.000001", "0.000001"),
    ("0.0000001", "1e-7"), ("5e-324", "5e-324"), ("1.7976931348623157e308", "1.7976931348623157e+308"),
    ("9007199254740992", "9007199254740992"), ("295147905179352830000", "295147905179352830000"),
    ("9.999999999999997e22", "9.999999999999997e+22"), ("333333333.33333329", "333333333.3333333"),
    ("1424953923781206.2", "1424953923781206.2"), ("-0.0000033333333333333333", "-0.0000033333333333333333"),
  ])
  func numbers(input: String, output: String) throws {
    #expect(try canonical(input) == output)
  }

  /// Integers beyond 2⁵³ whose canonical form has other digits, including a power of two.
  @Test(arguments: [
    "9007199254740993", "-9007199254740993", "9223372036854775807", "9223372036854775808", "18446744073709551616",
    "1152921504606846976", "123456789012345678901234567890",
  ])
  func integersThatTheCanonicalFormRoundsAreNamed(literal: String) throws {
    for precision in [CanonicalJSON.Precision.decimal, .double] {
      let value = try JSONParser.parse(#"{"a":[1,0.5,true,{"b":\#(literal)}]}"#)
      let altered = try #require(CanonicalJSON.alteredNumber(in: value, precision: precision))
      #expect(altered.place.description == "$.a[3].b")
      #expect(altered.literal == literal)
      #expect(altered.canonical == (try canonical(literal)))
      #expect(!JSONNumber.areEqual(altered.canonical, literal))
    }
  }

  @Test(arguments: [
    "0", "-0", "1", "1.0", "9007199254740992", "-9007199254740992", "9007199254740994", "123456789012345680",
    "9223372036854776000", "1e21", "100000000000000000000000", "0.1", "1.50", "5e-324", "1.7976931348623157e308",
    "0e99", "[]", "null",
  ])
  func whatTheCanonicalFormKeepsIsLetThrough(text: String) throws {
    let value = try JSONParser.parse(text)
    #expect(CanonicalJSON.alteredNumber(in: value, precision: .decimal) == nil)
    #expect(CanonicalJSON.alteredNumber(in: value, precision: .double) == nil)
  }

  /// A fraction with more digits than a double has is the same double for every reader, but another decimal.
  @Test(arguments: [("0.10000000000000001", true), ("9007199254740993.0", true), ("1e-400", false), ("-1e-999", false)])
  func fractionsAreKeptAsDoublesOrAsDecimals(literal: String, isKeptAsDouble: Bool) throws {
    let value = try JSONParser.parse(literal)
    #expect(CanonicalJSON.alteredNumber(in: value, precision: .decimal)?.literal == literal)
    #expect((CanonicalJSON.alteredNumber(in: value, precision: .double) == nil) == isKeptAsDouble)
  }

  /// Computed numbers never change: their shortest digits are the canonical ones.
  @Test(arguments: UInt64(0)..<50)
  func everyDoubleIsKept(seed: UInt64) throws {
    var random = SeededRandom(seed: seed)
    for _ in 0..<200 {
      let number = Double(bitPattern: random.next())
      guard number.isFinite else { continue }
      let value = JSONValue.double(number)
      #expect(CanonicalJSON.alteredNumber(in: value, precision: .decimal) == nil, "\(number), seed \(seed)")
    }
  }

  @Test func theFormThatKeepsNumbersIsCanonicalOtherwise() throws {
    let value = try JSONParser.parse(#" {"b": [1.0, 9007199254740993], "a": 1e3} "#)
    #expect(
      String(decoding: CanonicalJSON.encodeKeepingNumbers(value), as: UTF8.self)
        == #"{"a":1e3,"b":[1.0,9007199254740993]}"#)
  }

  @Test func membersAreSortedByCodeUnits() throws {
    // The emoji's first code unit, a surrogate, sorts before the last name's, although its scalar sorts after it.
    let input = #"{"\ufb33": 1, "\ud83d\ude00": 2, "a": 3, "B": 4, "": 5}"#
    #expect(try canonical(input) == "{\"\":5,\"B\":4,\"a\":3,\"\u{1f600}\":2,\"\u{fb33}\":1}")
  }

  @Test func stringsEscapeOnlyWhatTheyMust() throws {
    #expect(try canonical(#""\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/""#) == #""€$\u000f\nA'B\"\\\\\"/""#)
  }

  @Test func nestedWithoutSpaces() throws {
    #expect(
      try canonical(#" { "b" : [ 1 , { "z" : null , "a" : true } ] , "a" : "x" } "#)
        == #"{"a":"x","b":[1,{"a":true,"z":null}]}"#)
  }

  /// A canonical document stays the same when it is read and written again, whatever its original order and spacing.
  @Test(arguments: UInt64(0)..<200)
  func canonicalDocumentsStayAsTheyAre(seed: UInt64) throws {
    var random = SeededRandom(seed: seed)
    let document = Self.document(depth: 0, &random)
    let canonical = CanonicalJSON.encode(document)
    let again = CanonicalJSON.encode(try JSONParser.parse(canonical))
    #expect(again == canonical, "seed \(seed)")
    let shuffled = CanonicalJSON.encode(Self.shuffled(document, &random))
    #expect(shuffled == canonical, "seed \(seed)")
  }

  private static func document(depth: Int, _ random: inout SeededRandom) -> JSONValue {
    switch random.number(0...(depth < 4 ? 7 : 5)) {
    case 0: return .null
    case 1: return .bool(random.number(0...1) == 0)
    case 2: return .integer(Int64(bitPattern: random.next()) >> random.number(0...63))
    case 3:
      let number = Double(bitPattern: random.next())
      return .double(number.isFinite ? number : 0.5)
    case 4: return .string(text(&random))
    case 5: return .array([])
    case 6: return .array((0..<random.number(0...4)).map { _ in document(depth: depth + 1, &random) })
    default:
      var object = JSONObject()
      for _ in 0..<random.number(0...6) { object[ByteString(text(&random))] = document(depth: depth + 1, &random) }
      return .object(object)
    }
  }

  private static func text(_ random: inout SeededRandom) -> String {
    var text = ""
    for _ in 0..<random.number(0...5) {
      let largest = [0x1f, 0x7f, 0x2fff, 0xffff, 0x10ffff][random.number(0...4)]
      if let scalar = Unicode.Scalar(UInt32(random.number(0...largest))) { text.unicodeScalars.append(scalar) }
    }
    return text
  }

  private static func shuffled(_ value: JSONValue, _ random: inout SeededRandom) -> JSONValue {
    switch value {
    case .array(let values): return .array(values.map { shuffled($0, &random) })
    case .object(let object):
      let members = object.members.shuffled(using: &random)
      return .object(
        JSONObject(distinct: members.map { JSONObject.Member(name: $0.name, value: shuffled($0.value, &random)) }))
    default: return value
    }
  }
}
