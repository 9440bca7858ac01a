import Crypto
import EventLoop
import Links
import NodeCore
import Primitives
import TLS
import Testing

@testable import Daemon

/// What `NodePaths` reports about the links of a node that has several.
@Suite(.timeLimit(.minutes(1))) struct NodePathsTests {
  /// Two links from one node to another over loopback; the first leads through a line whose delay can change.
  private actor TwoLinks {
    let loop: EventLoop
    private let dialing: LinkHost
    private let listening: LinkHost
    private let line: SlowLine
    private let paths: NodePaths
    private var attempts: [LinkAttempt] = []
    private var links: [Link] = []
    private var accepted: [Link] = []
    private(set) var measured: [LinkID: [Duration?]] = [:]

    nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

    init() throws {
      loop = try EventLoop(name: "two links")
      dialing = LinkHost(loop: loop, identity: try TLSIdentity(key: try SigningKey.generate()))
      listening = LinkHost(loop: loop, identity: try TLSIdentity(key: try SigningKey.generate()))
      line = SlowLine(loop: loop)
      paths = NodePaths(loop: loop)
    }

    /// How many links are up.
    var count: Int { links.count }

    func open() throws {
      listening.onLink = { self.accepted.append($0) }
      paths.onMeasured = { self.measured[$0, default: []].append($1.roundTrip) }
      let endpoint = try listening.listen(host: "127.0.0.1", port: 0)
      for (number, address) in [try line.listen(to: endpoint), endpoint].enumerated() {
        attempts.append(
          dialing.dial(to: address, expected: nil, timeout: .seconds(5)) { result in
            guard let link = try? result.get() else { return }
            self.links.append(link)
            self.paths.add(LinkConnection(id: LinkID(number: UInt64(number)), link: link, loop: self.loop))
          })
      }
    }

    func slowDown(to delay: Duration) { line.delay = delay }

    /// Pings over both links.
    func ping() { for link in links { link.measureRoundTrip() } }

    /// The last measurement of a link.
    func last(_ number: UInt64) -> Duration? { measured[LinkID(number: number)]?.last ?? nil }

    func stop() async {
      paths.stop()
      line.close()
      dialing.close()
      listening.close()
      await loop.shutdown()
    }
  }

  /// The choice of a link must see a path that becomes slower, or a node would stay on it for good.
  @Test func aPathThatSlowsDownIsReported() async throws {
    let two = try TwoLinks()
    try await two.open()
    let areUp = await eventually {
      await two.ping()
      return await two.last(0) != nil
    }
    #expect(areUp)
    let quick = try #require(await two.last(0))
    #expect(quick < .milliseconds(40))
    await two.slowDown(to: .milliseconds(50))
    let isSlow = await eventually {
      await two.ping()
      return await two.last(0).map { $0 >= .milliseconds(100) } ?? false
    }
    let measured = await two.measured
    #expect(isSlow, "\(measured)")
    #expect(try #require(await two.last(1)) < .milliseconds(40), "the other link is as quick as before")
    await two.stop()
  }
}

/// Forwards connections on this machine, and holds each byte back for a time. Bound to the loop.
private final class SlowLine {
  /// How long bytes take in each direction.
  var delay: Duration = .zero

  private let loop: EventLoop
  private var listener: TCPListener?
  private var attempts: [ConnectAttempt] = []
  private var connections: [TCPConnection] = []

  init(loop: EventLoop) { self.loop = loop }

  /// Starts to forward to `target`; returns where.
  func listen(to target: Endpoint) throws -> Endpoint {
    let listener = try TCPListener.listen(on: loop, host: "127.0.0.1", port: 0)
    self.listener = listener
    listener.onConnection = { [unowned self] near in
      connections.append(near)
      attempts.append(
        TCPConnection.connect(on: loop, to: target, timeout: .seconds(5)) { result in
          guard let far = try? result.get() else { return near.close() }
          self.connections.append(far)
          self.forward(from: near, to: far)
          self.forward(from: far, to: near)
        })
    }
    return try #require(listener.endpoint)
  }

  private func forward(from source: TCPConnection, to target: TCPConnection) {
    source.onData = { [unowned self] bytes in
      let copy = Array(bytes)
      _ = loop.after(delay) { target.write(copy) }
    }
    source.onEnd = { _ in target.close() }
    source.resumeReading()
  }

  func close() {
    listener?.close()
    for connection in connections { connection.close() }
  }
}
