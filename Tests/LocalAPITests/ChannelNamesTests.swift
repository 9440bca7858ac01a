import APIModel
import EventLoop
import Foundation
import HTTP
import Primitives
import TestSupport
import Testing

@testable import LocalAPI

/// The name of a channel admits whoever knows it, so it is told only to those who may know it.
@Suite struct ChannelNamesTests {
  private static let name = "lab</b>"

  private static func get(
    _ url: String, _ headers: [(name: String, value: String)] = []
  ) throws -> (status: Int, body: String) {
    var request = HTTPRequest("GET", url)
    request.headers = headers
    request.timeout = .seconds(20)
    let (status, bytes) = try HTTPClient.fetch(request, limit: 1 << 20)
    return (status, String(decoding: bytes, as: UTF8.self))
  }

  private static func post(_ url: String, _ token: String, _ body: String) throws -> Int {
    var request = HTTPRequest("POST", url)
    request.headers = [(APIVersion.tokenHeader, token)]
    request.body = .bytes(Array(body.utf8))
    request.timeout = .seconds(20)
    return try HTTPClient.fetch(request, limit: 1 << 20).status
  }

  /// The kernel names the owner of a connection, whom published clients do not prove with a token.
  @Test func theDaemonsUserSeesThemWithoutAToken() async throws {
    try await withOwnServer { base, token in
      let open = try Self.get("\(base)/probe")
      #expect(open.status == 200 && open.body.contains(Self.name))
      // A page in that user's browser is not that user.
      let page = try Self.get("\(base)/probe", [("Origin", "http://localhost:3000")])
      #expect(page.status == 200 && !page.body.contains(Self.name))
      #expect(page.body.contains(#""joinedChannels":[]"#), "the published clients read this field")
      let shown = try Self.get("\(base)/probe", [("Origin", "http://x"), (APIVersion.tokenHeader, token)])
      #expect(shown.body.contains(Self.name))
    }
  }

  @Test(.asRoot) func otherUsersSeeThemOnlyWithTheToken() async throws {
    try await withOwnServer { base, token in
      func ask(_ options: [String]) throws -> String {
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/setpriv")
        process.arguments = ["--reuid", "61003", "--clear-groups", "/usr/bin/curl", "-s"] + options + ["\(base)/probe"]
        let pipe = Pipe()
        process.standardOutput = pipe
        try process.run()
        let output = pipe.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return String(decoding: output, as: UTF8.self)
      }
      let open = try ask([])
      #expect(open.contains(#""success":true"#) && !open.contains(Self.name), "\(open)")
      #expect(try ask(["-H", "\(APIVersion.tokenHeader): \(token)"]).contains(Self.name))
      #expect(try !ask(["-H", "\(APIVersion.tokenHeader): x\(token.dropFirst())"]).contains(Self.name))
    }
  }

  @Test func aReadingTokenDoesNotShowThem() async throws {
    try await withOwnServer { base, token in
      let tokens = #"{"key":"_other_client_auth_codes","value":["page"]}"#
      #expect(try Self.post("\(base)/mutable/set", token, tokens) == 200)
      let escaped = "lab&lt;/b&gt;"
      for path in ["/", "/stats?format=html"] {
        let full = try Self.get(base + path, [(APIVersion.tokenHeader, token)])
        #expect(full.status == 200 && full.body.contains(escaped), "\(path)")
        let page = try Self.get(base + path, [(APIVersion.tokenHeader, "page")])
        #expect(page.status == 200 && !page.body.contains(escaped) && page.body.contains("Channels"), "\(path)")
      }
      let channels = #""gateway":{"address":"127.0.0.1:8080","channels":[{"name":"#
      let peers = try [token, "page"].map { try Self.get("\(base)/v1/peers", [(APIVersion.tokenHeader, $0)]).body }
      #expect(peers[0].contains(channels + #""<b>lab</b>""#) && peers[1].contains(channels + "null"), "\(peers)")
      let headers = [("Origin", "http://localhost:3000"), (APIVersion.tokenHeader, "page")]
      let probe = try Self.get("\(base)/probe", headers)
      #expect(!probe.body.contains(Self.name))
    }
  }
}
