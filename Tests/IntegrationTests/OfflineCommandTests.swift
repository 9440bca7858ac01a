import Foundation
import Primitives
import TestSupport
import Testing

/// What commands say that are about nodes when `KACHERY_OFFLINE_STORAGE_DIR` is set.
@Suite(.serialized, .timeLimit(.minutes(1))) struct OfflineCommandTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  @Test func commandsAboutNodesKnowThatNoneIsAsked() throws {
    let uri = try run("kachery", ["store", "-"], in: folder.path, environment: folder.offline, input: "abc")
      .output.trimmingCharacters(in: .newlines)
    func call(_ arguments: String..., code: Int32 = 0) throws -> (output: String, errors: String) {
      try folder.call("kachery", arguments, in: folder.offline, code: code)
    }
    #expect(try call("find", uri).output == "\(folder.path("offline"))  3 B  (KACHERY_OFFLINE_STORAGE_DIR)\n")
    #expect(try call("find", uri, "--json").output.contains(#""fileSize":3"#))
    #expect(try folder.call("kachery-p2p-find", [uri], in: folder.offline).output.contains(#""fileSize": 3"#))
    let absent = "sha1://" + String(repeating: "0", count: 40)
    #expect(try call("find", absent, code: 3).errors.contains("which KACHERY_OFFLINE_STORAGE_DIR names"))
    let info = try call("info").output
    #expect(info.hasPrefix("Storage directory: \(folder.path("offline"))\nOffline: KACHERY_OFFLINE_STORAGE_DIR is set"))
    #expect(try call("info", "--json").output.contains(#""isOffline":true"#))
    for arguments in [["feed", "create"], ["feed", "list"], ["feed", "read", "x"]] {
      let refused = try folder.call("kachery", arguments, in: folder.offline, code: 4)
      #expect(refused.errors.contains("KACHERY_OFFLINE_STORAGE_DIR is set (\(folder.path("offline")))"), "\(arguments)")
    }
    let mistyped = folder.offline.merging(["KACHERY_OFFLINE_STORAGE_DIR": folder.path("none")]) { _, new in new }
    #expect(try folder.call("kachery", ["info"], in: mistyped, code: 3).errors.contains("KACHERY_OFFLINE_STORAGE_DIR"))
  }
}
