/// Why a file cannot be loaded, or is slow, in words for a person: the verdict, what it rests on, and what helps.
package struct Diagnosis: Hashable, Sendable {
  /// What a load would fail with; nil if nothing stands in its way.
  package var code: KacheryError.Code?
  /// One or two sentences.
  package var summary: String
  /// What was seen, a line each, the weightiest first.
  package var evidence: [String]
  /// What to do, a sentence each.
  package var advice: [String]

  package init(_ code: KacheryError.Code?, _ summary: String, evidence: [String] = [], advice: [String] = []) {
    self.code = code
    self.summary = summary
    self.evidence = evidence
    self.advice = advice
  }

  /// The diagnosis of an error, with the remedy that is known for its code.
  package init(_ error: KacheryError) {
    self.init(error.code, error.message, advice: ErrorExplanation.of(error.code).map { [$0.remedy] } ?? [])
  }

  /// The same for a program that has asked for the file itself; nil if nothing stands in the way.
  package var error: KacheryError? {
    code.map { KacheryError($0, ([summary] + advice.prefix(1)).joined(separator: " ")) }
  }
}
