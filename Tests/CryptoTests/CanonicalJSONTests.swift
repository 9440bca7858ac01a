import Crypto
import Primitives
import TestSupport
import Testing

@Suite struct CanonicalJSONTests {
  private func canonical(_ text: String) throws -> String {
    String(decoding: CanonicalJSON.encode(try JSONParser.parse(text)), as: UTF8.self)
  }

  /// ECMAScript's way with numbers; the values of RFC 8785, appendix B.
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

  @Test func membersAreSortedByCodeUnits() throws {
    // The emoji's first code unit, a surrogate, comes before that of the last name though its scalar comes after.
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

  /// What everybody writes alike stays as it is when it is read and written again, whatever order and spaces it had.
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
      for _ in 0..<random.number(0...6) { object[text(&random)] = document(depth: depth + 1, &random) }
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
