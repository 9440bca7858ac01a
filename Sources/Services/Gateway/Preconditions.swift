import Primitives

/// The conditions of a request about the tag of what it names (RFC 9110, section 13).
struct Preconditions: Sendable {
  /// What to do with a request.
  enum Outcome: Hashable, Sendable {
    case send
    /// The client has it already.
    case notModified
    /// The client wants something else than what is here.
    case failed
  }

  private let match: String?
  private let noneMatch: String?
  private let range: String?

  /// - Parameter headers: those of the request, by lower-case name.
  init(_ headers: [ByteString: String]) {
    match = headers["if-match"]
    noneMatch = headers["if-none-match"]
    range = headers["if-range"]
  }

  /// - Parameter tag: strong, with its quotation marks.
  func outcome(of tag: String) -> Outcome {
    if let match, !Self.lists(match, tag, weakly: false) { return .failed }
    if let noneMatch, Self.lists(noneMatch, tag, weakly: true) { return .notModified }
    return .send
  }

  /// Whether the header `Range` counts: with `If-Range`, only if that has the same strong tag. What is named by its
  /// content has no date, so a date never matches.
  func allowsRange(of tag: String) -> Bool {
    range.map { RangeRequest.trimmed($0[...]).utf8.elementsEqual(tag.utf8) } ?? true
  }

  private static func lists(_ header: String, _ tag: String, weakly: Bool) -> Bool {
    header.parts(separatedBy: ",").contains { element in
      let shown = RangeRequest.trimmed(element)
      let known = weakly ? shown.removing(prefix: "W/") ?? shown : shown
      return known.utf8.elementsEqual(tag.utf8) || known.utf8.elementsEqual("*".utf8)
    }
  }
}
