package import Primitives

/// The canonical form of JSON, the same for every writer, so that its bytes can be hashed and signed (RFC 8785).
package enum CanonicalJSON {
  /// The canonical UTF-8 of this document.
  package static func encode(_ value: JSONValue) -> [UInt8] { value.bytes(in: style) }

  /// The canonical UTF-8 of this document, except that each number stays as it was spelled: for documents that are
  /// stored but not signed.
  package static func encodeKeepingNumbers(_ value: JSONValue) -> [UInt8] { value.bytes(in: style.keepingNumbers) }

  private static let style = JSONStyle(
    // RFC 8785, section 3.2.3: members in the order of the UTF-16 code units of their names.
    order: { $0.sorted { precedes($0.name, $1.name) } },
    // Section 3.2.2.3: every number is one of ECMAScript's, which are floating-point.
    integer: integer, decimal: { number($0.double) }, string: JSONString.writeUTF8)

  /// UTF-16 order, applied to UTF-8: in UTF-8 the code points from U+10000 (lead bytes from F0) sort last, in UTF-16
  /// before those from U+E000 (lead bytes EE and EF).
  private static func precedes(_ name: ByteString, _ other: ByteString) -> Bool {
    func rank(_ byte: UInt8) -> UInt8 { byte < 0xee ? byte : byte < 0xf0 ? byte + 5 : byte - 2 }
    return name.utf8.lexicographicallyPrecedes(other.utf8) { rank($0) < rank($1) }
  }

  /// Up to 2⁵³ every integer is an ECMAScript number, and is printed with all its digits.
  @Sendable static func integer(_ value: Int64) -> String {
    value.magnitude <= 1 << 53 ? String(value) : number(Double(value))
  }

  /// A number as ECMAScript prints it (ECMA-262, Number::toString): the shortest digits that yield the same value.
  @Sendable static func number(_ value: Double) -> String {
    guard value.isFinite else { return "null" }
    guard value != 0 else { return "0" }
    let text = "\(value)"
    // With a fraction and without an exponent, as for nearly all numbers, Swift and ECMAScript print the same.
    guard text.utf8.contains(UInt8(ascii: "e")) || text.hasSuffix(".0") else { return text }
    let sign = value < 0 ? "-" : ""
    let (digits, exponent) = shortest(value.magnitude)
    let count = digits.count
    if count <= exponent, exponent <= 21 {
      return sign + digits + String(repeating: "0", count: exponent - count)
    }
    if 0 < exponent, exponent <= 21 {
      return sign + digits.prefix(exponent) + "." + digits.dropFirst(exponent)
    }
    if -6 < exponent, exponent <= 0 {
      return sign + "0." + String(repeating: "0", count: -exponent) + digits
    }
    let power = exponent - 1
    let mantissa = count == 1 ? digits : digits.prefix(1) + "." + digits.dropFirst()
    return sign + mantissa + "e" + (power < 0 ? "-" : "+") + String(power.magnitude)
  }

  /// The shortest digits of a positive number and their exponent: 0.digits × 10^exponent.
  private static func shortest(_ value: Double) -> (digits: String, exponent: Int) {
    let text = "\(value)".split(separator: "e")
    let parts = text[0].split(separator: ".", omittingEmptySubsequences: false)
    let fraction = parts.count > 1 ? parts[1] : ""
    var exponent = (text.count > 1 ? Int(text[1]) ?? 0 : 0) + parts[0].count
    var digits = String(parts[0] + fraction)
    let leading = digits.prefix { $0 == "0" }.count
    digits.removeFirst(leading)
    exponent -= leading
    while digits.last == "0" { digits.removeLast() }
    return (digits, exponent)
  }
}
