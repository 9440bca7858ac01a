package import Primitives

/// Reads the members of a request's JSON object; each error message names the field.
package struct JSONFields: Sendable {
  /// Most values in a body: each may take a hundred bytes of memory, whatever it takes in the document.
  package static let maximumValues = 2_000_000

  private let object: JSONObject

  /// The members of a request's body.
  ///
  /// - Throws: `badRequest` if it is not a JSON object.
  package init(body: [UInt8]) throws(KacheryError) {
    let document: JSONValue
    do { document = try JSONParser.parse(body, maximumValues: Self.maximumValues) } catch {
      throw KacheryError(.badRequest, "The body of the request is not JSON: \(error).", cause: error)
    }
    try self.init(document, named: "the body of the request")
  }

  /// The members of a value that must be an object. Error messages call it `name`.
  package init(_ value: JSONValue, named name: String) throws(KacheryError) {
    guard let object = value.object else { throw KacheryError(.badRequest, "Not a JSON object: \(name).") }
    self.object = object
  }

  /// The object itself.
  package var json: JSONValue { .object(object) }

  /// The value of a field; nil if it is absent or null.
  package func value(_ name: String) -> JSONValue? { object[ByteString(name)].flatMap { $0.isNull ? nil : $0 } }

  /// The value of a required field; it may be null.
  package func anyValue(_ name: String) throws(KacheryError) -> JSONValue {
    guard let value = object[ByteString(name)] else {
      throw KacheryError(.badRequest, "The field '\(name)' is missing.")
    }
    return value
  }

  /// The text of a required field.
  package func string(_ name: String) throws(KacheryError) -> String {
    guard let string = try optionalString(name) else { throw missing(name) }
    return string
  }

  /// The text of a field; nil if it is absent or null.
  package func optionalString(_ name: String) throws(KacheryError) -> String? {
    guard let value = value(name) else { return nil }
    guard let string = value.string else { throw KacheryError(.badRequest, "The field '\(name)' is not a string.") }
    return string
  }

  /// The non-negative integer in a required field.
  package func unsigned(_ name: String) throws(KacheryError) -> UInt64 {
    guard let number = try optionalUnsigned(name) else { throw missing(name) }
    return number
  }

  /// The non-negative integer in a field; nil if it is absent or null.
  package func optionalUnsigned(_ name: String) throws(KacheryError) -> UInt64? {
    guard let value = value(name) else { return nil }
    guard let number = value.unsigned else {
      throw KacheryError(.badRequest, "The field '\(name)' is not a non-negative integer.")
    }
    return number
  }

  /// The number of a field; nil if it is absent or null.
  package func optionalNumber(_ name: String) throws(KacheryError) -> Double? {
    guard let value = value(name) else { return nil }
    guard let number = value.number else { throw KacheryError(.badRequest, "The field '\(name)' is not a number.") }
    return number
  }

  /// The boolean in a field; nil if it is absent or null.
  package func optionalBool(_ name: String) throws(KacheryError) -> Bool? {
    guard let value = value(name) else { return nil }
    guard let bool = value.bool else { throw KacheryError(.badRequest, "The field '\(name)' is not true or false.") }
    return bool
  }

  /// The hash or key in a required field, spelled in hexadecimal.
  package func fixed<Value: FixedBytes>(_ name: String, _ type: Value.Type = Value.self) throws(KacheryError) -> Value {
    guard let value: Value = try optionalFixed(name) else { throw missing(name) }
    return value
  }

  /// The hash or key in a field, spelled in hexadecimal; nil if it is absent or null.
  package func optionalFixed<Value: FixedBytes>(
    _ name: String, _ type: Value.Type = Value.self
  ) throws(KacheryError) -> Value? {
    guard let text = try optionalString(name) else { return nil }
    guard let value = Value(hex: text) else {
      throw KacheryError(.badRequest, "The field '\(name)' is not \(2 * Value.byteCount) hexadecimal digits.")
    }
    return value
  }

  private func missing(_ name: String) -> KacheryError {
    KacheryError(.badRequest, "The field '\(name)' is missing.")
  }
}
