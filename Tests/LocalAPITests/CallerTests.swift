import Foundation
import Testing

@testable import LocalAPI

/// Who may use which route: the table of `docs/local-api.md` is what the daemon enforces.
@Suite struct CallerTests {
  private static let callers: [Caller] = [.groupMember, .otherMachine, .page]

  /// The callers that the page allows to use each route.
  private static func table() throws -> [String: Set<Caller>] {
    let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
    let page = try String(contentsOf: root.appending(path: "docs/local-api.md"), encoding: .utf8)
    let section = try #require(page.components(separatedBy: "\n## Who may use which route\n").dropFirst().first)
    var allowed: [String: Set<Caller>] = [:]
    for line in try #require(section.components(separatedBy: "\n## ").first).split(separator: "\n")
    where line.hasPrefix("| `") {
      let cells = line.split(separator: "|").map { $0.trimmingCharacters(in: .whitespaces) }
      #expect(cells.count == 4)
      for route in cells[0].split(separator: " ").map({ $0.trimmingCharacters(in: ["`"]) }) {
        #expect(allowed[route] == nil, "twice: \(route)")
        allowed[route] = Set(zip(cells.dropFirst(), callers).filter { $0.0 == "yes" }.map(\.1))
      }
    }
    return allowed
  }

  @Test func theTableIsWhatIsEnforced() throws {
    let table = try Self.table()
    for route in Route.allCases where !route.isOpen {
      let allowed = try #require(table[route.rawValue], "not in the table: \(route.rawValue)")
      for caller in Self.callers {
        #expect(caller.may(use: route) == allowed.contains(caller), "\(caller) \(route.rawValue)")
      }
      #expect(Caller.owner.may(use: route))
    }
    #expect(table.count == Route.allCases.count { !$0.isOpen })
  }

  @Test func aRefusalNamesTheOwnerAndTheGroup() {
    let access = SocketAccess(
      path: "/data/api.socket", owner: 1_000, group: SocketAccess.Group(number: 50, name: "lab"))
    let refusal = access.refusal(Route.halt)
    #expect(refusal.code == .forbidden)
    for part in ["Only user 1000", "/halt", "'lab'"] { #expect(refusal.message.contains(part)) }
  }

  @Test func theGroupGetsNoKeysAndJoinsNoChannels() {
    let member = Caller.groupMember
    #expect(member.may(read: .value) && member.may(read: .feedName) && member.may(read: .channels))
    #expect(member.may(write: .value))
    #expect(!member.may(read: .secret) && !member.may(write: .secret))
    #expect(!member.may(write: .channels) && !member.may(write: .feedName))
  }
}
