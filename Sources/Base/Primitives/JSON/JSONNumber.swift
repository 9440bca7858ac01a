/// A number in a JSON document, with its spelling: it is written unchanged, even if a double cannot represent it.
package struct JSONNumber: Hashable, Sendable {
  /// The spelling in the document, such as `1.0` or `12345678901234567890`.
  package let literal: String
  /// The double nearest to the literal. It is finite.
  package let double: Double

  /// A number that a program computed, spelled as Python prints it; nil if it is not finite.
  package init?(_ double: Double) {
    guard double.isFinite else { return nil }
    self.init(literal: Self.pythonText(double), double: double)
  }

  /// A number read by the parser.
  init(literal: String, double: Double) {
    self.literal = literal
    self.double = double
  }

  /// Whether the literal has neither a fraction nor an exponent, so that readers treat it as an integer.
  package var isInteger: Bool { literal.utf8.allSatisfy { $0 == UInt8(ascii: "-") || (0x30...0x39).contains($0) } }

  /// Whether the literal spells zero; a number that is merely too small for a double does not.
  package var isZero: Bool { Decimal(literal)?.digits.isEmpty ?? false }

  /// Whether two literals spell the same decimal value: `1.50`, `1.5` and `15e-1` do; `9007199254740993` and
  /// `9007199254740992` do not, although their doubles are the same.
  package static func areEqual(_ literal: String, _ other: String) -> Bool {
    guard let left = Decimal(literal), let right = Decimal(other) else { return false }
    return left == right
  }

  /// The number as Python's `json.dumps(json.loads(literal))` spells it.
  var pythonText: String {
    guard isInteger else { return Self.pythonText(double) }
    return literal == "-0" ? "0" : literal
  }

  /// The shortest digits that yield the same number, as Python prints them: with an exponent from 1e16 on, whereas
  /// Swift uses one only from 2^54 on.
  private static func pythonText(_ double: Double) -> String {
    let text = "\(double)"
    guard double.magnitude >= 1e16, text.utf8.suffix(2).elementsEqual(".0".utf8) else { return text }
    let sign = double < 0 ? "-" : ""
    var digits = text.dropFirst(sign.count).dropLast(2)
    let exponent = digits.count - 1
    while digits.count > 1, digits.last == "0" { digits.removeLast() }
    let fraction = digits.count > 1 ? "." + digits.dropFirst() : ""
    return "\(sign)\(digits.prefix(1))\(fraction)e+\(exponent)"
  }
}

/// The value of a literal as ±0.digits × 10^exponent, with no zero at either end of the digits.
private struct Decimal: Equatable {
  private var isNegative: Bool
  private(set) var digits: [UInt8] = []
  private var exponent: Int

  /// The value of a literal that has JSON's grammar; nil if the exponent does not fit 64 bits.
  init?(_ literal: String) {
    let parts = literal.utf8.split(maxSplits: 1, omittingEmptySubsequences: false) { $0 | 0x20 == UInt8(ascii: "e") }
    var places = 0
    var hasPoint = false
    isNegative = false
    for byte in parts[0] {
      switch byte {
      case UInt8(ascii: "-"): isNegative = true
      case UInt8(ascii: "."): hasPoint = true
      case UInt8(ascii: "0") where digits.isEmpty: places -= hasPoint ? 1 : 0
      default:
        digits.append(byte)
        places += hasPoint ? 0 : 1
      }
    }
    while digits.last == UInt8(ascii: "0") { digits.removeLast() }
    // There is only one zero, whatever its sign and exponent.
    guard !digits.isEmpty else {
      (isNegative, exponent) = (false, 0)
      return
    }
    guard let power = parts.count > 1 ? Int(String(parts[1]) ?? "") : 0 else { return nil }
    let (sum, isTooLarge) = power.addingReportingOverflow(places)
    guard !isTooLarge else { return nil }
    exponent = sum
  }
}
