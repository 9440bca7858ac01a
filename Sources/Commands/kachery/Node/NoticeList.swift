import Primitives

/// Problems between this node and others that a person solves, as lines for people.
struct NoticeList {
  /// The notices of the answer to `/v1/peers`; earlier daemons send none.
  let notices: [JSONValue]

  init(_ answer: JSONValue) { notices = answer["notices"]?.array ?? [] }

  /// - Parameter width: the columns of the terminal.
  func lines(width: Int) -> [String] {
    notices.flatMap { notice in
      Paragraph.lines((notice["summary"]?.string ?? "").printable, width: width, first: "! ", rest: "  ")
        + (notice["advice"]?.array ?? []).compactMap(\.string).flatMap { advice in
          Paragraph.lines(advice.printable, width: width, first: "  - ", rest: "    ")
        }
    }
  }
}
