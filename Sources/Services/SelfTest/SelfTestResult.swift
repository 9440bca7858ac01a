package import Primitives

/// What one check of the selftest says.
package struct SelfTestResult: Hashable, Sendable {
  /// How it went.
  package enum Verdict: String, Sendable {
    case ok
    /// It works, but less well, or might not always.
    case warning
    /// kachery cannot work well like this.
    case failure
    /// It could not be checked.
    case skipped
  }

  package let name: String
  package let verdict: Verdict
  /// What was found.
  package let text: String
  /// What it means for the user, and what to do; nil if there is nothing to do.
  package let remedy: String?

  package init(_ name: String, _ verdict: Verdict, _ text: String, _ remedy: String? = nil) {
    (self.name, self.verdict, self.text, self.remedy) = (name, verdict, text, remedy)
  }

  static func ok(_ name: String, _ text: String) -> SelfTestResult { SelfTestResult(name, .ok, text) }

  /// The result as a document.
  package var json: JSONValue {
    [
      "name": .string(name), "verdict": .string(verdict.rawValue), "text": .string(text),
      "remedy": remedy.map { .string($0) } ?? .null,
    ]
  }
}
