import Glibc
import Primitives

/// What the process is told by its surroundings.
enum ProcessFacts {
  /// The environment's variables.
  static var environment: [ByteString: String] {
    var variables: [ByteString: String] = [:]
    var entry = environ
    while let text = entry.pointee {
      let (name, value) = String(cString: text).cut(at: "=")
      if let value { variables[ByteString(name)] = String(value) }
      entry += 1
    }
    return variables
  }

  /// The name of this machine.
  static var hostName: String {
    var name = [CChar](repeating: 0, count: 256)
    guard gethostname(&name, name.count - 1) == 0 else { return "kachery" }
    return String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }
}
