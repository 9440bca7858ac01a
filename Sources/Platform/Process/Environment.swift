import Glibc
package import Primitives

/// The environment variables.
package enum Environment {
  /// The value of a variable; nil if it is unset or empty.
  package static subscript(name: String) -> String? {
    guard let value = getenv(name) else { return nil }
    let text = String(cString: value)
    return text.isEmpty ? nil : text
  }

  /// All variables.
  package static var all: [ByteString: String] {
    var variables: [ByteString: String] = [:]
    var entry = environ
    while let text = entry.pointee {
      let (name, value) = String(cString: text).cut(at: "=")
      if let value { variables[ByteString(name)] = String(value) }
      entry += 1
    }
    return variables
  }
}
