/// The Prometheus text exposition format, version 0.0.4.
enum Exposition {
  /// What a metric is, and its values.
  ///
  /// - Parameter samples: lines that `sample` has written.
  static func family(_ name: String, _ type: String, _ meaning: String, _ samples: String) -> String {
    "# HELP \(name) \(meaning)\n# TYPE \(name) \(type)\n\(samples)"
  }

  /// The line of one value.
  static func sample(
    _ name: String, _ value: some CustomStringConvertible, labels: [(name: String, text: String)] = []
  ) -> String {
    let shown = labels.map { "\($0.name)=\"\(escaped($0.text))\"" }.joined(separator: ",")
    return "\(name)\(shown.isEmpty ? "" : "{\(shown)}") \(value)\n"
  }

  private static func escaped(_ text: String) -> String {
    text.unicodeScalars.map { scalar in
      switch scalar {
      case "\\": "\\\\"
      case "\"": "\\\""
      case "\n": "\\n"
      default: String(Character(scalar))
      }
    }.joined()
  }
}
