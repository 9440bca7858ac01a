import Files
package import Primitives

/// The examples shared by the tests in Swift and in Python: `Tests/Vectors`.
package enum Vectors {
  /// The document in a file of that folder.
  package static func json(_ name: String) throws -> JSONValue {
    let folder = FileSystem.parent(of: FileSystem.parent(of: #filePath))
    return try JSONParser.parse(try FileSystem.read("\(folder)/Vectors/\(name)", limit: 1 << 20))
  }
}

extension JSONValue {
  /// The required text under this name.
  package func text(_ name: ByteString) throws(KacheryError) -> ByteString {
    guard let text = self[name]?.string else { throw KacheryError(.badRequest, "There is no text '\(name)'.") }
    return ByteString(text)
  }

  /// The required list under this name; it must not be empty.
  package func list(_ name: ByteString) throws(KacheryError) -> [JSONValue] {
    guard let list = self[name]?.array, !list.isEmpty else {
      throw KacheryError(.badRequest, "There is no list '\(name)'.")
    }
    return list
  }
}
