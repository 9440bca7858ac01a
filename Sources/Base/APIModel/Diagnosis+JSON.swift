package import Primitives

extension Diagnosis {
  /// The answer of `/v1/explain`.
  package var json: JSONValue {
    [
      "code": code.map { .string($0.rawValue) } ?? .null, "summary": .string(summary),
      "evidence": .array(evidence.map { .string($0) }), "advice": .array(advice.map { .string($0) }),
    ]
  }

  /// Reads a daemon's answer. Earlier daemons called the summary `verdict`.
  package init(json: JSONValue) throws(KacheryError) {
    let fields = try JSONFields(json, named: "the daemon's explanation")
    self.init(
      try fields.optionalString("code").map { KacheryError.Code(rawValue: $0) },
      json["summary"] == nil ? try fields.string("verdict") : try fields.string("summary"),
      evidence: json["evidence"]?.array?.compactMap(\.string) ?? [],
      advice: json["advice"]?.array?.compactMap(\.string) ?? [])
  }
}
