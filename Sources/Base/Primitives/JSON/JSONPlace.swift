/// The path of a value in a JSON document, as people write it: `$.a[3]`.
package struct JSONPlace: Hashable, Sendable, CustomStringConvertible {
  package let description: String

  private init(_ description: String) { self.description = description }

  /// The document itself.
  package static let root = JSONPlace("$")

  /// The place of a member.
  package func member(_ name: String) -> JSONPlace {
    let isPlain =
      !name.isEmpty && name.utf8.first.map { (0x30...0x39).contains($0) } == false
      && name.utf8.allSatisfy { byte in
        (0x30...0x39).contains(byte) || (0x61...0x7a).contains(byte | 0x20) || byte == UInt8(ascii: "_")
      }
    return JSONPlace(description + (isPlain ? ".\(name)" : "[\(JSONValue.string(name).compact)]"))
  }

  /// The place of an array element.
  package func element(_ index: Int) -> JSONPlace { JSONPlace("\(description)[\(index)]") }
}
