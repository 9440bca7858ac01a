/// A JSON document (RFC 8259). Objects keep the order of their members, because manifests are hashed as they are
/// written.
package indirect enum JSONValue: Sendable {
  case null
  case bool(Bool)
  /// A number without a fraction or exponent that fits 64 bits.
  case integer(Int64)
  /// Any other number, as it was spelled.
  case decimal(JSONNumber)
  case string(String)
  case array([JSONValue])
  case object(JSONObject)
}

/// The members of a JSON object, in order. No two have the same name.
package struct JSONObject: Hashable, Sendable, ExpressibleByDictionaryLiteral {
  /// A name and its value.
  package struct Member: Hashable, Sendable {
    /// Names are compared code point by code point (RFC 8259, section 8.3).
    package let name: ByteString
    package var value: JSONValue

    package init(name: ByteString, value: JSONValue) {
      self.name = name
      self.value = value
    }
  }

  package private(set) var members: [Member]

  package init() { members = [] }

  package init(dictionaryLiteral elements: (ByteString, JSONValue)...) {
    members = []
    for (name, value) in elements { self[name] = value }
  }

  /// An object of members whose names are known to be distinct.
  package init(distinct members: [Member]) { self.members = members }

  /// The value of the member with this name. Setting nil removes it; setting a new one appends it.
  package subscript(name: ByteString) -> JSONValue? {
    get { members.first { $0.name == name }?.value }
    set {
      guard let index = members.firstIndex(where: { $0.name == name }) else {
        if let newValue { members.append(Member(name: name, value: newValue)) }
        return
      }
      if let newValue { members[index].value = newValue } else { members.remove(at: index) }
    }
  }
}

extension JSONValue: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral, ExpressibleByBooleanLiteral,
  ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral
{
  package init(stringLiteral value: String) { self = .string(value) }
  package init(integerLiteral value: Int64) { self = .integer(value) }
  package init(booleanLiteral value: Bool) { self = .bool(value) }
  package init(arrayLiteral elements: JSONValue...) { self = .array(elements) }
  package init(dictionaryLiteral elements: (ByteString, JSONValue)...) {
    var object = JSONObject()
    for (name, value) in elements { object[name] = value }
    self = .object(object)
  }
}

extension JSONValue {
  /// The member with this name; nil if this is not an object or has no such member.
  package subscript(name: ByteString) -> JSONValue? { object?[name] }

  package var object: JSONObject? { if case .object(let object) = self { object } else { nil } }
  package var array: [JSONValue]? { if case .array(let array) = self { array } else { nil } }
  package var string: String? { if case .string(let string) = self { string } else { nil } }
  package var bool: Bool? { if case .bool(let bool) = self { bool } else { nil } }
  package var isNull: Bool { self == .null }

  /// A computed number; null if it is not finite, which JSON cannot express.
  package static func double(_ double: Double) -> JSONValue { JSONNumber(double).map { .decimal($0) } ?? .null }

  /// The number as a signed integer; nil if it has a fraction or is too large.
  package var integer: Int64? {
    switch self {
    case .integer(let integer): integer
    case .decimal(let number): Int64(exactly: number.double)
    default: nil
    }
  }

  /// The number as an unsigned integer; nil if it is negative, has a fraction or is too large.
  package var unsigned: UInt64? { integer.flatMap { UInt64(exactly: $0) } }

  /// The number as the nearest floating-point value.
  package var number: Double? {
    switch self {
    case .integer(let integer): Double(integer)
    case .decimal(let number): number.double
    default: nil
    }
  }
}
