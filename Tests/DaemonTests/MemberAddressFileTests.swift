import Diagnostics
import Discovery
import Files
import Primitives
import Synchronization
import TestSupport
import Testing

@testable import Daemon

/// The file of members' addresses, also one that another program has damaged.
@Suite struct MemberAddressFileTests {
  private let folder: TemporaryFolder
  private let file: MemberAddressFile

  init() throws {
    folder = try TemporaryFolder()
    file = MemberAddressFile(in: folder.path)
  }

  private func members(_ count: Int) throws -> [RememberedMember] {
    try (0..<count).map { number in
      let byte = UInt8(truncatingIfNeeded: number)
      let endpoint = try #require(Endpoint(host: "2001:db8::\(number)", port: 14_507))
      return RememberedMember(
        node: try #require(NodeID(bytes: [byte, UInt8(number >> 8)] + [UInt8](repeating: 7, count: 30))),
        topics: try (0..<RememberedMembers.topicsOfMember).map {
          try #require(Topic(bytes: [UInt8](repeating: UInt8($0), count: Topic.byteCount)))
        },
        reached: [.tcp(endpoint), .quic(endpoint)], named: [.tcp(endpoint)],
        linkedAt: WallTime(milliseconds: 1_700_000_000_000))
    }
  }

  @Test func whatIsStoredIsReadAgainByItsOwnerOnly() throws {
    #expect(file.read(.disabled) == [])
    let stored = try members(RememberedMembers.capacity)
    try file.write(stored)
    #expect(file.read(.disabled) == stored)
    #expect(try FileSystem.status(folder.path("members.json")).permissions & 0o777 == 0o600)
    try file.write([])
    #expect(!FileSystem.exists(folder.path("members.json")))
  }

  @Test(arguments: [
    "", "{}", "nonsense", "[]", #"{"version": 2, "members": []}"#, #"{"version": 1, "members": [{}]}"#,
    #"{"version": 1, "members": [{"nodeId": "12", "topics": [], "reached": [], "named": []}]}"#,
  ])
  func aDamagedFileIsSetAsideAndReported(_ text: String) throws {
    _ = try folder.write("members.json", Array(text.utf8))
    let lines = Lines()
    #expect(file.read(Log(minimum: .info) { _, message in lines.add(message) }) == [])
    #expect(lines.all.contains { $0.contains(folder.path("members.json.damaged")) }, "\(lines.all)")
    #expect(!FileSystem.exists(folder.path("members.json")))
    // The next stop writes a good one.
    try file.write(try members(1))
    #expect(try file.read(.disabled) == members(1))
  }

  @Test func aHugeFileIsNotRead() throws {
    _ = try folder.write("members.json", [UInt8](repeating: 0x20, count: 5 << 20))
    #expect(file.read(.disabled) == [])
    #expect(FileSystem.exists(folder.path("members.json.damaged")))
  }

  /// For any bytes there is a list within the limits, or an error.
  @Test func anyBytesEndInMembersOrAnError() throws {
    let good = MemberAddressFile.json(of: try members(3)).bytes(in: .compact)
    var accepted = 0
    for seed in 0..<2_000 as Range<UInt64> {
      var random = SeededRandom(seed: seed)
      if check(seed == 0 ? good : random.mutated(good), "seed \(seed)") { accepted += 1 }
    }
    #expect(accepted > 20)
    for (name, bytes) in try FuzzCorpus.inputs(of: "members") { _ = check(bytes, "\(name)") }
  }

  private func check(_ bytes: [UInt8], _ name: Comment) -> Bool {
    do throws(KacheryError) {
      for member in try MemberAddressFile.members(in: bytes) {
        #expect(member.topics.count <= RememberedMembers.topicsOfMember, name)
        #expect(!(member.reached + member.named).contains { $0.isRelayed }, name)
      }
      return true
    } catch {
      #expect(error.code == .badConfiguration, name)
      return false
    }
  }
}

/// Lines of a log.
private final class Lines: Sendable {
  private let state = Mutex<[String]>([])

  var all: [String] { state.withLock { $0 } }

  func add(_ line: String) { state.withLock { $0.append(line) } }
}
