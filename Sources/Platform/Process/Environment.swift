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

  /// Sets a variable, also for the programs that this process starts.
  package static func set(_ name: String, to value: String) { setenv(name, value, 1) }

  /// The user's home folder: the one of the variable `HOME`, or else the account's; nil if neither is the absolute path
  /// of a folder below the root.
  package static var home: String? { home(named: Environment["HOME"]) }

  /// The same for another value of the variable `HOME`.
  package static func home(named variable: String?) -> String? {
    let account = getpwuid(geteuid())?.pointee.pw_dir.map { String(cString: $0) }
    return [variable, account].compactMap(\.self).first {
      $0.begins(with: "/") && $0.utf8.contains { $0 != UInt8(ascii: "/") }
    }
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
