import HTTP
import LocalAPI
import Primitives
import Testing

@Suite struct SocketAccessTests {
  private let access = SocketAccess(
    path: "/data/api.socket", owner: 1_000, group: SocketAccess.Group(number: 50, name: "lab"))

  private struct Caller {
    let user: UInt32
    let groups: Set<UInt32>
    let isLetIn: Bool
  }

  @Test func ownerRootAndGroupAreLetIn() {
    let callers = [
      Caller(user: 1_000, groups: [], isLetIn: true), Caller(user: 0, groups: [], isLetIn: true),
      Caller(user: 2_000, groups: [50], isLetIn: true), Caller(user: 2_000, groups: [7, 50], isLetIn: true),
      Caller(user: 2_000, groups: [7], isLetIn: false), Caller(user: .max, groups: [], isLetIn: false),
      Caller(user: 50, groups: [1_000], isLetIn: false),
    ]
    for caller in callers {
      let isLetIn = access.admits(PeerCredentials(user: caller.user, groups: caller.groups))
      #expect(isLetIn == caller.isLetIn, "\(caller)")
    }
  }

  @Test func withoutAGroupOnlyOwnerAndRoot() {
    let own = SocketAccess(path: "/data/api.socket", owner: 1_000, group: nil)
    #expect(own.admits(PeerCredentials(user: 1_000, groups: [])))
    #expect(!own.admits(PeerCredentials(user: 2_000, groups: [0, 50, 1_000])))
    #expect(own.refusal(PeerCredentials(user: 2_000, groups: [])).message.contains("--auth-group"))
  }

  @Test func theRefusalNamesTheUserAndTheGroup() {
    let refusal = access.refusal(PeerCredentials(user: 2_000, groups: []))
    #expect(refusal.code == .forbidden)
    for part in ["2000", "1000", "'lab'", "of your own"] { #expect(refusal.message.contains(part)) }
  }
}
