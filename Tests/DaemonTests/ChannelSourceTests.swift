import Discovery
import EventLoop
import Foundation
import HTTP
import Primitives
import TestSupport
import Testing

@testable import Daemon

/// Serves one document over HTTP; a test may replace it.
private actor DocumentServer {
  private let loop: EventLoop
  private let server: HTTPServer
  private var document = ""
  private var status = 200

  nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

  init(loop: EventLoop) throws {
    self.loop = loop
    server = try HTTPServer(host: "127.0.0.1", port: 0, now: { loop.now })
  }

  var address: String { "http://127.0.0.1:\(server.port)/channel.yaml" }

  func start() throws {
    server.onRequest = { exchange in
      exchange.respond(
        HTTPResponse(status: self.status, contentType: "text/plain", body: Array(self.document.utf8)))
    }
    server.onWorkReady = { _ = self.loop.after(.zero) { self.server.process() } }
    _ = try loop.watch(descriptor: server.descriptor) { self.server.process() }
  }

  func serve(_ document: String, status: Int = 200) {
    self.document = document
    self.status = status
  }

  func stop() { server.close() }
}

@Suite struct ChannelSourceTests {
  private let good = "channelLabel: lab\nauthorizedNodes:\n  - nodeId: \(String(repeating: "ab", count: 32))\n"

  /// A broken document, or an unreachable source, changes nothing: the last good copy stays.
  @Test func theLastGoodCopyOutlivesItsSource() async throws {
    let folder = try TemporaryFolder()
    let loop = try EventLoop(name: "documents")
    let server = try DocumentServer(loop: loop)
    try await server.start()
    let address = ByteString(await server.address)
    let source = ChannelSource(folder: folder.path("channels"))
    #expect(await source.copy(of: address) == nil)
    await server.serve(good)
    #expect(try await source.fetch(address).label == "lab")
    for (document, status) in [("authorizedNodes: {", 200), ("<html>gone</html>", 200), (good, 404)] {
      await server.serve(document, status: status)
      await #expect(throws: KacheryError.self) { try await source.fetch(address) }
    }
    await server.stop()
    await loop.shutdown()
    await #expect(throws: KacheryError.self) { try await source.fetch(address) }
    #expect(await ChannelSource(folder: folder.path("channels")).copy(of: address)?.label == "lab")
  }

  /// One source accepts connections and never answers; the others do not wait for it, nor do the copies.
  @Test func aSilentSourceDelaysNoOther() async throws {
    let folder = try TemporaryFolder()
    let loop = try EventLoop(name: "documents")
    let silent = try HTTPServer(host: "127.0.0.1", port: 0, now: { loop.now })
    let source = ChannelSource(folder: folder.path("channels"))
    let address: ByteString = "http://127.0.0.1:\(silent.port)/channel.yaml"
    let slow = Task { try await source.fetch(address) }
    let begin = ContinuousClock.now
    let path = ByteString(try folder.write("channel.yaml", good))
    #expect(try await source.fetch(path).label == "lab")
    #expect(await source.copy(of: path)?.label == "lab")
    #expect(begin.duration(to: .now) < .seconds(29), "less than the silent source's time")
    silent.close()
    await #expect(throws: KacheryError.self) { try await slow.value }
    await loop.shutdown()
  }

  /// A name of the public network that leads to this machine, and an address that redirects there, may be joined by
  /// clients on other machines; here both are this machine's own.
  @Test func whatOthersHaveJoinedComesFromPublicAddresses() async throws {
    let folder = try TemporaryFolder()
    let loop = try EventLoop(name: "documents")
    let server = try DocumentServer(loop: loop)
    try await server.start()
    await server.serve(good)
    let source = ChannelSource(folder: folder.path("channels"))
    for host in ["127.0.0.1", "localhost"] {
      let address = ByteString(await server.address.replacing("127.0.0.1", with: host))
      let error = await #expect(throws: KacheryError.self) { try await source.fetch(address, onlyPublic: true) }
      #expect(error?.code == .forbidden && error?.message.contains("not a public address") == true, "\(host)")
      #expect(try await source.fetch(address).label == "lab")
    }
    await server.stop()
    await loop.shutdown()
  }

  @Test func aFileIsReadByItsPathOrItsURL() async throws {
    let folder = try TemporaryFolder()
    let path = try folder.write("channel.yaml", good)
    let source = ChannelSource(folder: folder.path("channels"))
    #expect(try await source.fetch(ByteString(path)).label == "lab")
    #expect(try await source.fetch("file://\(path)").label == "lab")
    await #expect(throws: KacheryError.self) { try await source.fetch("ftp://example.org/channel.yaml") }
    await #expect(throws: KacheryError.self) { try await source.fetch(ByteString(folder.path("none.yaml"))) }
  }

  /// A document uses no more memory, and causes no more dials, than a channel can need.
  @Test func aDocumentThatListsTooManyIsRefused() throws {
    func document(nodes: Int, bootstraps: Int) throws -> ChannelDocument {
      var text = "bootstrapAddresses:\n"
      for number in 0..<bootstraps { text += "  - {hostName: h\(number), port: 1}\n" }
      text += "authorizedNodes:\n"
      for number in 0..<nodes {
        let digits = String(number, radix: 16)
        text += "  - nodeId: \(String(repeating: "0", count: 64 - digits.count))\(digits)\n"
      }
      return try ChannelDocument(yaml: Array(text.utf8))
    }
    let most = ChannelDocument.maximumBootstraps
    #expect(try document(nodes: ChannelDocument.maximumMembers, bootstraps: most).bootstrapAddresses.count == most)
    for (nodes, bootstraps) in [(ChannelDocument.maximumMembers + 1, 0), (1, most + 1)] {
      let error = #expect(throws: KacheryError.self) { _ = try document(nodes: nodes, bootstraps: bootstraps) }
      #expect(error?.code == .tooLarge)
    }
  }

  @Test func namesAndDocumentsAreDistinguished() {
    #expect(ChannelSource.isDocument("https://example.org/a.yaml"))
    #expect(ChannelSource.isDocument("/home/me/channel.yaml"))
    #expect(!ChannelSource.isDocument("our-lab-7f3a9c"))
  }
}
