import APIModel
import Diagnostics
import EventLoop
import Foundation
import HTTP
import LocalAPI
import Primitives
import TestSupport
import Testing

/// How much one request may ask for, and that others are served meanwhile.
@Suite(.serialized, .timeLimit(.minutes(3))) struct RequestSizeTests {
  private struct Service: Sendable {
    let base: String
    let token: String

    func post(_ path: String, _ body: String) throws -> (status: Int, body: String) {
      var request = HTTPRequest("POST", base + path)
      request.headers = [(APIVersion.tokenHeader, token)]
      request.body = .bytes(Array(body.utf8))
      request.timeout = .seconds(120)
      let (status, bytes) = try HTTPClient.fetch(request, limit: 64 << 20)
      return (status, String(decoding: bytes, as: UTF8.self))
    }
  }

  private func withService(_ clients: @escaping @Sendable (Service) throws -> Void) async throws {
    try await withOwnServer { base, token in try clients(Service(base: base, token: token)) }
  }

  private static let names =
    #""feedId":"\#(FakeNode.feed.hex)","subfeedHash":"\#(String(repeating: "ab", count: 20))""#

  @Test(arguments: [
    ("/storeFile", 1), ("/mutable/get", 1), ("/v1/explain", 1), ("/loadFile", 1), ("/feed/submitMessage", 1),
    ("/feed/setAccessRules", 4), ("/feed/watchForNewMessages", 16), ("/v1/store/pin", 16), ("/v1/load", 32),
    ("/feed/appendMessages", 64), ("/mutable/set", 64),
  ])
  func aBodyHasTheLimitOfItsRoute(path: String, mebibytes: Int) async throws {
    try await withService { service in
      let padding = String(repeating: " ", count: mebibytes << 20)
      let larger = try service.post(path, "{\(padding)}")
      #expect(larger.status == 413)
      guard mebibytes == 1 else { return }
      let large = try service.post(path, "{\(padding.dropLast(2))}")
      #expect(large.status == 400, "that large, but without its fields")
    }
  }

  @Test(arguments: ["1", "1.", "-1.5e"])
  func aNumberOfManyDigitsIsRefused(beginning: String) async throws {
    try await withService { service in
      let digits = String(repeating: "7", count: 1_000_000)
      let answer = try service.post("/mutable/set", #"{"key":"k","value":\#(beginning)\#(digits)}"#)
      #expect(answer.status == 400 && answer.body.contains("characters"), "\(answer)")
    }
  }

  @Test func millionsOfValuesAreRefused() async throws {
    try await withService { service in
      let values = String(repeating: "[],", count: 2_000_000)
      let answer = try service.post("/mutable/set", #"{"key":"k","value":[\#(values)0]}"#)
      #expect(answer.status == 400 && answer.body.contains("too many values"), "\(answer)")
    }
  }

  /// Short requests are answered while a large one is read.
  @Test func othersAreServedMeanwhile() async throws {
    try await withService { service in
      let message = #"{"text":"\#(String(repeating: "abc", count: 20))","numbers":[1,2,3]},"#
      let messages = String(repeating: message, count: 10_000).dropLast()
      let body = "{\(Self.names),\"messages\":[\(messages)]}"
      let done = DispatchSemaphore(value: 0)
      Thread.detachNewThread {
        let answer = try? service.post("/feed/appendMessages", body)
        #expect(answer?.status == 200)
        done.signal()
      }
      var answered = 0
      while done.wait(timeout: .now()) == .timedOut {
        let answer = try service.post("/mutable/get", #"{"key":"k"}"#)
        #expect(answer.status == 200)
        answered += 1
      }
      #expect(answered > 2)
      let count = try service.post("/feed/getNumLocalMessages", "{\(Self.names)}")
      #expect(count.body.contains("10000"))
    }
  }
}
