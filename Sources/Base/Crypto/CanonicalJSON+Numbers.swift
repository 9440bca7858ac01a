package import Primitives

extension CanonicalJSON {
  /// A number that the canonical form changes, so that a hash or signature would not cover the original value.
  package struct AlteredNumber: Hashable, Sendable {
    /// Where it is in the document.
    package let place: JSONPlace
    /// The original number.
    package let literal: String
    /// The number in the canonical form.
    package let canonical: String

    /// The original number, shortened if it is long.
    package var excerpt: String { literal.utf8.count <= 60 ? literal : "\(literal.prefix(50))…" }
  }

  /// How exactly the canonical form must keep a number that has a fraction or an exponent.
  package enum Precision: Sendable {
    /// Its decimal value, digit for digit.
    case decimal
    /// The double that readers parse it as; only numbers too small for any double lose it.
    case double
  }

  /// The first number that the canonical form changes; nil if it keeps all of them.
  ///
  /// An integer must keep each digit: readers take it literally, however long it is.
  package static func alteredNumber(
    in value: JSONValue, at place: JSONPlace = .root, precision: Precision
  ) -> AlteredNumber? {
    switch value {
    case .null, .bool, .string: return nil
    case .integer(let integer):
      guard integer.magnitude > 1 << 53 else { return nil }
      return altered(String(integer), Self.integer(integer), at: place)
    case .decimal(let number):
      guard number.isInteger || precision == .decimal else {
        return number.double != 0 || number.isZero
          ? nil : AlteredNumber(place: place, literal: number.literal, canonical: "0")
      }
      return altered(number.literal, Self.number(number.double), at: place)
    case .array(let values):
      for (index, value) in values.enumerated() where mayHoldAltered(value) {
        if let found = alteredNumber(in: value, at: place.element(index), precision: precision) { return found }
      }
    case .object(let object):
      for member in object.members where mayHoldAltered(member.value) {
        if let found = alteredNumber(in: member.value, at: place.member(member.name.text), precision: precision) {
          return found
        }
      }
    }
    return nil
  }

  /// Whether the value needs a closer look. Most values do not, and then no place has to be constructed.
  private static func mayHoldAltered(_ value: JSONValue) -> Bool {
    switch value {
    case .null, .bool, .string: false
    case .integer(let integer): integer.magnitude > 1 << 53
    case .decimal, .array, .object: true
    }
  }

  private static func altered(_ literal: String, _ canonical: String, at place: JSONPlace) -> AlteredNumber? {
    JSONNumber.areEqual(literal, canonical)
      ? nil : AlteredNumber(place: place, literal: literal, canonical: canonical)
  }
}
