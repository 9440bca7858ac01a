import APIModel
import EventLoop
import Foundation
import HTTP
import Page
import TestSupport
import Testing

@testable import LocalAPI

/// The files of the page, and how they are served.
@Suite struct PageTests {
  private static let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().appending(path: "Sources/Services/Page/Files")

  @Test func everyFileOfTheFolderIsEmbedded() throws {
    let names = try FileManager.default.contentsOfDirectory(atPath: Self.folder.path)
    let files = [Page.document] + Page.parts
    #expect(Set(names) == Set(files.map(\.name)) && names.count == files.count)
    for file in files {
      #expect(file.bytes == Array(try Data(contentsOf: Self.folder.appending(path: file.name))), "\(file.name)")
      #expect(file.bytes.count < 64_000 && file.bytes.split(separator: UInt8(ascii: "\n")).count <= 400)
    }
  }

  /// Nothing in it leads outside, and nothing in it turns text into markup.
  @Test func thePageUsesOnlyItself() {
    let paths = Set(Page.parts.map { "/page/\($0.name)" })
    for file in [Page.document] + Page.parts {
      let text = String(decoding: file.bytes, as: UTF8.self)
      let sinks = [
        "innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function", " style=",
      ]
      for sink in sinks {
        #expect(!text.contains(sink), "\(file.name): \(sink)")
      }
      // The namespace of SVG is a name.
      for address in text.matches(of: /https?:\/\/[^\s"'`]*|["'(]\/\/[^\s"'`]*/) {
        #expect(address.0 == "http://www.w3.org/2000/svg", "\(file.name): \(address.0)")
      }
      for part in text.matches(of: /(?:from|href=|src=)\s*"(\/page\/[^"]+)"/) {
        #expect(paths.contains(String(part.1)), "\(file.name): \(part.1)")
      }
    }
  }

  private struct Answer {
    let status: Int
    let headers: [String: String]
    let body: String
  }

  private static func ask(_ base: String, _ path: String, headers: String = "") throws -> Answer {
    let port = try #require(UInt16(base.components(separatedBy: ":").last ?? ""))
    let connection = try #require(RawConnection(port: port))
    connection.send("GET \(path) HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\(headers)\r\n")
    let parts = try #require(connection.receiveToEnd()).components(separatedBy: "\r\n\r\n")
    let lines = parts[0].components(separatedBy: "\r\n")
    let pairs = lines.dropFirst().compactMap { line -> (String, String)? in
      let parts = line.components(separatedBy: ": ")
      return parts.count > 1 ? (parts[0].lowercased(), parts.dropFirst().joined(separator: ": ")) : nil
    }
    return Answer(
      status: Int(lines[0].split(separator: " ")[1]) ?? 0, headers: Dictionary(pairs) { $1 },
      body: parts.dropFirst().joined(separator: "\r\n\r\n"))
  }

  @Test func itsFilesAreOpenToAllAndContainNothingOfTheNode() async throws {
    try await withOwnServer { base, token in
      for path in ["/", "/?token=wrong", "/?token=\(token)"] + Page.parts.map({ "/page/\($0.name)" }) {
        let answer = try Self.ask(base, path)
        #expect(answer.status == 200, "\(path)")
        #expect(!answer.body.contains("fake & more") && !answer.body.contains(token))
        let policy = try #require(answer.headers["content-security-policy"])
        #expect(policy.hasPrefix("default-src 'none'; script-src 'self';") && !policy.contains("unsafe"))
        #expect(answer.headers["x-frame-options"] == "DENY" && answer.headers["x-content-type-options"] == "nosniff")
        let tag = try #require(answer.headers["etag"])
        let again = try Self.ask(base, path, headers: "If-None-Match: \(tag)\r\n")
        #expect(again.status == 304 && again.body.isEmpty)
      }
      let types = try ["/", "/page/main.js"].map { try Self.ask(base, $0).headers["content-type"] }
      #expect(types == ["text/html; charset=utf-8", "text/javascript; charset=utf-8"])
    }
  }

  @Test(arguments: ["/page/", "/page/none.js", "/page/..%2fclient-auth", "/page/a/b"])
  func nothingElseIsServed(_ path: String) async throws {
    try await withOwnServer { base, _ in
      let answer = try Self.ask(base, path)
      #expect(answer.status == 404)
    }
  }

  /// A page that resolves its own name to this machine gets nothing, not even the page.
  @Test func otherHostNamesGetNothing() async throws {
    try await withOwnServer { base, _ in
      let port = try #require(UInt16(base.components(separatedBy: ":").last ?? ""))
      let connection = try #require(RawConnection(port: port))
      connection.send("GET / HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n")
      let answer = connection.receive(until: "\r\n")
      #expect(answer.hasPrefix("HTTP/1.1 403"))
    }
  }
}
