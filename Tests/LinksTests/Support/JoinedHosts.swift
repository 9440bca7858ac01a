import EventLoop
import Primitives
import TLS
import Testing
import Wire

@testable import Links

/// Two hosts, 0 and 1, and their relay, on one loop. The relay joins what shows the same token.
actor JoinedHosts {
  nonisolated let loop: EventLoop
  private(set) var links: [Int: Link] = [:]
  private(set) var failures: [KacheryError.Code] = []
  /// How each link ended; nil if in order.
  private(set) var ends: [KacheryError.Code?] = []
  /// What was shown to the relay.
  private(set) var halves: [JoinPreamble] = []
  private(set) var endedHalves = 0
  private(set) var endedStrangers = 0
  private(set) var bytesAtStrangers = 0
  private(set) var hasSpliceEnded = false
  private let hosts: [LinkHost]
  private let nodes: [NodeID]
  private var waiting: [LaneToken: any LaneHalf] = [:]
  private var attempts: [LinkAttempt] = []
  private var strangers: [TCPConnection] = []
  private var splice: SocketSplice?
  private var relay: Endpoint?
  private var listener: TCPListener?

  nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

  init(_ loop: EventLoop) throws {
    self.loop = loop
    let identities = try TestIdentities.shared.get()
    nodes = [identities.dialerID, identities.listenerID]
    hosts = [identities.dialer, identities.listener, identities.dialer].map { LinkHost(loop: loop, identity: $0) }
  }

  func listen(isRelay: Bool) throws {
    relay = try hosts[2].listen(host: "127.0.0.1", port: 0)
    if isRelay { hosts[2].onHalf = { self.add($0) } }
  }

  private func add(_ half: any LaneHalf) {
    halves.append(half.preamble)
    half.onEnd = { self.endedHalves += 1 }
    guard let other = waiting.removeValue(forKey: half.preamble.token) else {
      waiting[half.preamble.token] = half
      return
    }
    splice = try? LinkHost.splice(half, other, through: SplicePipes())
    splice?.onReady = { _ = self.splice?.pass($0, upTo: .max) }
    splice?.onEnd = { _ in self.hasSpliceEnded = true }
  }

  // MARK: The two nodes

  /// Host 0 is the opener.
  func join(
    _ index: Int, _ token: LaneToken, expecting node: NodeID? = nil, timeout: Duration = .seconds(10)
  ) {
    guard let endpoint = listener?.endpoint ?? relay else { return }
    let preamble = JoinPreamble(token, as: index == 0 ? .opener : .target)
    attempts.append(
      hosts[index].join(preamble, at: endpoint, expected: node ?? nodes[1 - index], timeout: timeout) { result in
        switch result {
        case .failure(let error): self.failures.append(error.code)
        case .success(let link):
          self.links[index] = link
          link.onClose = { self.ends.append($0?.code) }
        }
      })
  }

  func cancel() { for attempt in attempts { attempt.cancel() } }

  var roles: [Bool] { [0, 1].compactMap { links[$0]?.isDialer } }
  var peers: [Int?] { [0, 1].map { links[$0].flatMap { nodes.firstIndex(of: $0.peer) } } }
  var haveSameBinding: Bool { links[0]?.channelBinding == links[1]?.channelBinding }
  var openHandshakes: [Int] { hosts.map(\.openHandshakes) }
  func closeLink(_ index: Int) { links[index]?.close() }

  /// Sends bytes from host 0 to host 1; returns what arrives.
  func send(_ bytes: [UInt8]) async -> [UInt8] {
    await withCheckedContinuation { continuation in
      var received: [UInt8] = []
      links[1]?.onStream = { stream in
        stream.onData = { [weak stream] data in
          received += data
          stream?.consumed(data.count)
        }
        stream.onEnd = { _ in continuation.resume(returning: received) }
      }
      let stream = links[0]?.openStream()
      stream?.write(bytes)
      stream?.finish()
    }
  }

  // MARK: Strangers

  /// Opens a connection to the relay for each of these, and sends it there.
  func connect(_ messages: [[UInt8]], byteByByte: Bool = false) {
    guard let relay else { return }
    for message in messages {
      _ = TCPConnection.connect(on: loop, to: relay, timeout: .seconds(10)) { result in
        guard let connection = try? result.get() else { return }
        self.strangers.append(connection)
        connection.onData = { self.bytesAtStrangers += $0.count }
        connection.onEnd = { _ in self.endedStrangers += 1 }
        connection.resumeReading()
        guard byteByByte else { return connection.write(message) }
        for (index, byte) in message.enumerated() {
          _ = self.loop.after(.milliseconds(index)) { connection.write([byte]) }
        }
      }
    }
  }

  /// Each sends these bytes, or ends.
  func strangersGoOn(sending bytes: [UInt8]?) {
    for stranger in strangers { bytes.map { stranger.write($0) } ?? stranger.close() }
  }

  /// From now on the relay is a program that answers every connection with these bytes, and closes it if there are none.
  func answer(_ bytes: [UInt8]) throws {
    let listener = try TCPListener.listen(on: loop, host: "127.0.0.1", port: 0)
    self.listener = listener
    listener.onConnection = { connection in
      self.strangers.append(connection)
      connection.onData = { _ in bytes.isEmpty ? connection.close() : connection.write(bytes) }
      connection.resumeReading()
    }
  }

  // MARK: The test

  func until(
    sourceLocation: SourceLocation = #_sourceLocation, _ isThere: @Sendable (isolated JoinedHosts) -> Bool
  ) async throws {
    let deadline = loop.now + .seconds(20)
    while !isThere(self), loop.now < deadline { try await Task.sleep(for: .milliseconds(2)) }
    let isAsWanted = isThere(self)
    #expect(isAsWanted, "\(failures), \(halves)", sourceLocation: sourceLocation)
  }

  func close() {
    cancel()
    for link in links.values { link.close() }
    for host in hosts {
      host.close()
      (host.onLink, host.onHalf) = (nil, nil)
    }
    for half in waiting.values { half.close() }
    for stranger in strangers { stranger.close() }
    listener?.close()
    splice?.close()
    (links, attempts, strangers, waiting, splice) = ([:], [], [], [:], nil)
  }
}
