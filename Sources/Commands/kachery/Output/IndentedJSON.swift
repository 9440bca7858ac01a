import Primitives

extension JSONValue {
  /// The document in several lines, as Python's `json.dumps(indent=4)` writes it.
  var indented: String { text(indent: 0) }

  private func text(indent: Int) -> String {
    let (outer, inner) = (String(repeating: " ", count: indent), String(repeating: " ", count: indent + 4))
    switch self {
    case .object(let object) where !object.members.isEmpty:
      let members = object.members.map { member in
        "\(inner)\(JSONValue.string(member.name.text).compact): \(member.value.text(indent: indent + 4))"
      }
      return "{\n\(members.joined(separator: ",\n"))\n\(outer)}"
    case .array(let values) where !values.isEmpty:
      return "[\n\(values.map { inner + $0.text(indent: indent + 4) }.joined(separator: ",\n"))\n\(outer)]"
    default: return compact
    }
  }
}
