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

  @Test func aRestartKeepsTheLastTokenForOnePeriod() throws {
    let folder = try TemporaryFolder()
    let path = folder.path("client-auth")
    _ = try ClientToken(path: path)
    let last = try String(contentsOfFile: path, encoding: .utf8)
    var token = try ClientToken(path: path)
    let next = try String(contentsOfFile: path, encoding: .utf8)
    #expect(token.accepts(last) && token.accepts(next))
    try token.rotate()
    #expect(!token.accepts(last))
  }

  /// A token from long ago may be in any browser's history, and others may write to a file of other permissions.
  @Test(arguments: ["old", "writable", "short", "words", "a link"])
  func noOtherTokenIsKept(_ kind: String) throws {
    let folder = try TemporaryFolder()
    let path = folder.path("client-auth")
    var text = String(repeating: "ab", count: 24)
    if kind == "short" { text = "ab" }
    if kind == "words" { text = String(repeating: "xy", count: 24) }
    let written = kind == "a link" ? folder.path("elsewhere") : path
    try text.write(toFile: written, atomically: false, encoding: .utf8)
    var attributes: [FileAttributeKey: Any] = [.posixPermissions: kind == "writable" ? 0o660 : 0o640]
    if kind == "old" { attributes[.modificationDate] = Date(timeIntervalSinceNow: -361) }
    try FileManager.default.setAttributes(attributes, ofItemAtPath: written)
    if kind == "a link" { try FileManager.default.createSymbolicLink(atPath: path, withDestinationPath: written) }
    #expect(try !ClientToken(path: path).accepts(text))
  }

  @Test func theFileIsForOwnerAndGroup() throws {
    let folder = try TemporaryFolder()
    _ = try ClientToken(path: folder.path("client-auth"))
    let attributes = try FileManager.default.attributesOfItem(atPath: folder.path("client-auth"))
    #expect((attributes[.posixPermissions] as? Int) == 0o640)
    #expect(try !String(contentsOfFile: folder.path("client-auth"), encoding: .utf8).hasSuffix("\n"))
  }
}
