/// Why a file cannot be loaded, or is slow, in words for a person: the summary, the evidence for it, and advice.
package struct Diagnosis: Hashable, Sendable {
  /// The error that a load would fail with; nil if nothing prevents it.
  package var code: KacheryError.Code?
  /// One or two sentences.
  package var summary: String
  /// Observations, one line each, most important first.
  package var evidence: [String]
  /// What to do, one sentence each.
  package var advice: [String]

  package init(_ code: KacheryError.Code?, _ summary: String, evidence: [String] = [], advice: [String] = []) {
    self.code = code
    self.summary = summary
    self.evidence = evidence
    self.advice = advice
  }

  /// The diagnosis of an error, with the known remedy for its code.
  package init(_ error: KacheryError) {
    self.init(error.code, error.message, advice: ErrorExplanation.of(error.code).map { [$0.remedy] } ?? [])
  }

  /// The diagnosis as an error, for a program that requested the file; nil if nothing prevents loading it.
  package var error: KacheryError? {
    code.map { KacheryError($0, ([summary] + advice.prefix(1)).joined(separator: " ")) }
  }
}
