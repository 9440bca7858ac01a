import Foundation
import LocalAPI
import Primitives
import TestSupport
import Testing

@Suite struct ClientTokenTests {
  @Test func theTokenBeforeStaysGoodForOnePeriod() throws {
    let folder = try TemporaryFolder()
    let path = folder.path("client-auth")
    var token = try ClientToken(path: path)
    let first = try String(contentsOfFile: path, encoding: .utf8)
    #expect(token.accepts(first))
    #expect(!token.accepts(""))
    try token.rotate()
    let second = try String(contentsOfFile: path, encoding: .utf8)
    #expect(first != second)
    #expect(token.accepts(first) && token.accepts(second))
    try token.rotate()
    #expect(!token.accepts(first) && token.accepts(second))
  }

  @Test func theFileIsForOwnerAndGroup() throws {
    let folder = try TemporaryFolder()
    _ = try ClientToken(path: folder.path("client-auth"))
    let attributes = try FileManager.default.attributesOfItem(atPath: folder.path("client-auth"))
    #expect((attributes[.posixPermissions] as? Int) == 0o640)
    #expect(try !String(contentsOfFile: folder.path("client-auth"), encoding: .utf8).hasSuffix("\n"))
  }
}
