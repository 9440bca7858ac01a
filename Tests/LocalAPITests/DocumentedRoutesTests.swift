import Foundation
import Testing

@testable import LocalAPI

/// `docs/local-api.md` lists exactly the existing routes, with a curl line for each.
@Suite struct DocumentedRoutesTests {
  /// An entry of the table: the methods of a route and its path.
  private struct Entry: Hashable {
    let methods: [String]
    let path: String

    init(_ methods: [String], _ path: String) {
      self.methods = methods.sorted()
      self.path = path
    }
  }

  private static let entries = Route.allCases.map { Entry($0.methods.map(\.text), $0.rawValue) }

  private static func page() throws -> String {
    let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
    return try String(contentsOf: root.appending(path: "docs/local-api.md"), encoding: .utf8)
  }

  /// The entries of the page's table of routes.
  private static func table(of page: String) -> [Entry] {
    page.split(separator: "\n").compactMap { line in
      line.prefixMatch(of: /\| ((?:GET|POST)(?:, (?:GET|POST))*) \| `([^`]+)` \|/).map {
        Entry($0.1.components(separatedBy: ", "), String($0.2))
      }
    }
  }

  /// The method and path of each curl line. A line without a body is a GET.
  private static func calls(of page: String) -> [(method: String, path: String)] {
    page.split(separator: "\n").compactMap { line in
      guard line.hasPrefix("    curl "), let path = line.firstMatch(of: /\$API(\/[^\s"?]*)/)?.1 else { return nil }
      return (line.contains(" -d ") || line.contains(" -T ") ? "POST" : "GET", String(path))
    }
  }

  /// Differences between the page and the daemon's routes.
  private static func complaints(about page: String) -> [String] {
    let listed = table(of: page)
    let calls = calls(of: page)
    let called = calls.compactMap { call in Route.match(call.path).map { (call.method, $0.route) } }
    let unknown = calls.filter { Route.match($0.path) == nil }.map { "no route for curl of \($0.path)" }
    let missing = Set(entries).subtracting(listed).map { "not in the table: \($0.methods) \($0.path)" }
    let foreign = Set(listed).subtracting(entries).map { "no such route: \($0.methods) \($0.path)" }
    let twice = Dictionary(grouping: listed, by: \.path).filter { $0.value.count > 1 }.map { "twice: \($0.key)" }
    let uncalled = Route.allCases.filter { route in
      !called.contains { $0.1 == route && route.methods.map(\.text).contains($0.0) }
    }
    return (unknown + missing + foreign + twice + uncalled.map { "no curl line for \($0.rawValue)" }).sorted()
  }

  @Test func thePageListsExactlyTheRoutesThatExist() throws {
    #expect(Self.complaints(about: try Self.page()) == [])
  }

  /// The test must notice each of these alterations.
  @Test(arguments: [
    ("| POST | `/v1/explain` |", "| POST | `/v1/explained` |"),
    ("| POST | `/v1/explain` |", "| GET | `/v1/explain` |"),
    ("| GET, POST | `/probe` |", "| GET | `/probe` |"),
    ("| POST | `/v1/explain` |", "| POST | `/v1/explain` |\n| POST | `/v1/explain` |"),
    ("| POST | `/v1/explain` |", "- POST `/v1/explain`"),
    (" $API/v1/explain", " $API/v1/peers"),
    (" $API/v1/peers", " -d '{}' $API/v1/peers"),
    (" $API/v1/peers", " $API/v2/peers"),
  ])
  func aPageThatDiffersIsRefused(_ original: String, _ altered: String) throws {
    let page = try Self.page()
    #expect(page.contains(original))
    #expect(Self.complaints(about: page.replacingOccurrences(of: original, with: altered)) != [])
  }
}
