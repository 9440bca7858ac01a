import Crypto
import Primitives
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
}
