import Crypto
import EventLoop
import Links
import NodeCore
import Primitives
import TLS
import Testing
import Wire

@testable import Daemon

/// The messages of a link whose other end misbehaves.
@Suite struct LinkConnectionTests {
  private final class Transfer: LaneUser {
    var bytesLeft: UInt64 { 1 }

    func lanesChanged() {}

    func linkAbandoned(_ link: LinkID) {}
  }

  /// The end of a link that refuses it.
  enum Refuser: CaseIterable { case dialer, acceptor }

  /// Two ends of one link on a loop.
  private actor Ends {
    let loop: EventLoop
    private let dialing: LinkHost
    private let listening: LinkHost
    private var dialed: Link?
    private var accepted: Link?
    private var asking: LinkConnection?
    private var answering: LinkConnection?
    private var incoming: IncomingLink?

    nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

    init() throws {
      loop = try EventLoop(name: "ends")
      dialing = LinkHost(loop: loop, identity: try TLSIdentity(key: try SigningKey.generate()))
      listening = LinkHost(loop: loop, identity: try TLSIdentity(key: try SigningKey.generate()))
    }

    /// Sends messages of `count` bytes each to a peer that reads none, until the link ends; returns the bytes sent.
    func flood(messagesOf count: Int) async throws -> Int {
      let endpoint = try listening.listen(host: "127.0.0.1", port: 0)
      return await withCheckedContinuation { continuation in
        // Its window fills up, and none of it is released.
        listening.onLink = { link in
          self.accepted = link
          link.onStream = { stream in stream.onData = { _ in } }
        }
        _ = dialing.dial(to: endpoint, expected: nil, timeout: .seconds(5)) { result in
          guard let link = try? result.get() else { return continuation.resume(returning: -1) }
          self.dialed = link
          let connection = LinkConnection(id: LinkID(number: 1), link: link, loop: self.loop)
          connection.start(nil)
          var sent = 0
          var timer: Timer?
          link.onClose = { _ in
            timer?.cancel()
            continuation.resume(returning: sent)
          }
          timer = self.loop.after(.zero, repeating: .milliseconds(1)) {
            for _ in 0..<20 {
              sent += count
              connection.send(.goodbye(Goodbye(.stopping, String(repeating: "x", count: count))))
            }
          }
        }
      }
    }

    /// Sends `count` queries at the same time to a peer that handles each; returns the time until the last one arrived.
    func ask(_ count: Int) async throws -> Duration {
      let endpoint = try listening.listen(host: "127.0.0.1", port: 0)
      let channel: ChannelProof = .filled(with: 7)
      return await withCheckedContinuation { continuation in
        var received = 0
        let start = loop.now
        listening.onLink = { link in
          self.accepted = link
          let connection = LinkConnection(id: LinkID(number: 2), link: link, loop: self.loop)
          self.answering = connection
          connection.onMessage = { _ in
            received += 1
            if received == count { continuation.resume(returning: self.loop.now - start) }
          }
          self.incoming = IncomingLink(link, loop: self.loop) { purpose in
            guard case .control(let control, let first) = purpose else { return }
            connection.start((control, first))
          }
        }
        _ = dialing.dial(to: endpoint, expected: nil, timeout: .seconds(5)) { result in
          guard let link = try? result.get() else { return continuation.resume(returning: .zero) }
          self.dialed = link
          let connection = LinkConnection(id: LinkID(number: 1), link: link, loop: self.loop)
          self.asking = connection
          connection.start(nil)
          for id in 0..<UInt32(count) { connection.send(.find(FindRequest(id: id, channel: channel, hash: .of([1])))) }
        }
      }
    }

    /// Whether a link is awaited while it is idle, while it has feed streams, a fetch stream, and a transfer.
    func awaited() async throws -> [Bool] {
      let endpoint = try listening.listen(host: "127.0.0.1", port: 0)
      return await withCheckedContinuation { continuation in
        listening.onLink = { self.accepted = $0 }
        _ = dialing.dial(to: endpoint, expected: nil, timeout: .seconds(5)) { result in
          guard let link = try? result.get() else { return continuation.resume(returning: []) }
          self.dialed = link
          let connection = LinkConnection(id: LinkID(number: 1), link: link, loop: self.loop)
          connection.start(nil)
          var awaited = [link.isAwaited(link)]
          connection.feeds.ask(.unsubscribe(id: 1))
          awaited.append(link.isAwaited(link))
          let stream = link.openStream()
          awaited.append(link.isAwaited(link))
          stream.reset()
          let transfer = Transfer()
          connection.lanes.join(transfer)
          awaited.append(link.isAwaited(link))
          connection.lanes.leave(transfer)
          awaited.append(link.isAwaited(link))
          connection.lanes.close()
          continuation.resume(returning: awaited)
        }
      }
    }

    /// What one end says to the other before the link closes or `isEnough` is true of what arrived. The dialer writes
    /// `bytes` to its control stream; if there are none, the end that `refuses` closes the link before it has started.
    func messages(
      of bytes: [UInt8] = [], refusing refuses: Refuser? = nil, until isEnough: @escaping (ControlMessage) -> Bool
    ) async throws -> [ControlMessage] {
      let endpoint = try listening.listen(host: "127.0.0.1", port: 0)
      let refusal = Goodbye(.full, "this node has its maximum of links")
      return await withCheckedContinuation { continuation in
        var received: [ControlMessage] = []
        var waiting: CheckedContinuation<[ControlMessage], Never>? = continuation
        func end() {
          waiting?.resume(returning: received)
          waiting = nil
        }
        func listen(to connection: LinkConnection) {
          connection.onMessage = { message in
            received.append(message)
            if isEnough(message) { end() }
          }
          connection.link.onClose = { _ in end() }
        }
        listening.onLink = { link in
          self.accepted = link
          self.incoming = IncomingLink(link, loop: self.loop) { purpose in
            guard case .control(let control, let first) = purpose else { return end() }
            let connection = LinkConnection(id: LinkID(number: 2), link: link, loop: self.loop)
            self.answering = connection
            if refuses == .acceptor { connection.close(refusal) } else { listen(to: connection) }
            connection.start((control, first))
          }
        }
        _ = dialing.dial(to: endpoint, expected: nil, timeout: .seconds(5)) { result in
          guard let link = try? result.get() else { return end() }
          self.dialed = link
          guard bytes.isEmpty else { return link.openStream().write([StreamKind.control.rawValue] + bytes) }
          let connection = LinkConnection(id: LinkID(number: 1), link: link, loop: self.loop)
          self.asking = connection
          if refuses == .dialer { connection.close(refusal) } else { listen(to: connection) }
          connection.start(nil)
        }
      }
    }

    func stop() async {
      dialing.close()
      listening.close()
      await loop.shutdown()
    }
  }

  /// The control stream and the feed streams may rest for days.
  @Test(.timeLimit(.minutes(1))) func transfersAwaitThePeer() async throws {
    let ends = try Ends()
    #expect(try await ends.awaited() == [false, false, true, true, false])
    await ends.stop()
  }

  /// The window holds some thousand queries. A quarter of a second's worth of work is free; the rest is handled at the
  /// rate.
  @Test(.timeLimit(.minutes(1))) func aFloodOfMessagesIsSlowedDown() async throws {
    let ends = try Ends()
    let questions = 10_000
    let time = try await ends.ask(questions)
    let window = (256 << 10) / 70
    let atRate = Double(questions - window) / WorkShares.rate - 0.25
    #expect(time > .seconds(atRate), "\(time)")
    await ends.stop()
  }

  @Test(.timeLimit(.minutes(1))) func aPeerThatTakesNoMessagesIsCutOff() async throws {
    let ends = try Ends()
    let sent = try await ends.flood(messagesOf: 60_000)
    // Four MiB may wait; everything after them is discarded.
    #expect(sent > 4 << 20)
    await ends.stop()
  }

  /// Its user learns why, although neither end has said anything yet.
  @Test(.timeLimit(.minutes(1)), arguments: Refuser.allCases)
  func theReasonOfARefusalArrives(refuser: Refuser) async throws {
    let ends = try Ends()
    let messages = try await ends.messages(refusing: refuser) { _ in true }
    let expected = Goodbye(.full, "this node has its maximum of links")
    if case .goodbye(let goodbye) = messages.first { #expect(goodbye == expected) } else { Issue.record("\(messages)") }
    await ends.stop()
  }

  /// A message of a later version, which may be long, and after it one that arrives if the first was accepted.
  @Test(.timeLimit(.minutes(1)), arguments: [true, false])
  func onlyAHelloComesFirst(isHelloFirst: Bool) async throws {
    let hello = Hello(
      label: "lab", software: "test", isBootstrap: false, clock: WallTime(milliseconds: 1), addresses: [],
      observed: nil, proofs: [])
    let long = Frame.encode(250) { $0.raw([UInt8](repeating: 7, count: 40_000)) }
    let goodbye = ControlMessage.goodbye(Goodbye(.stopping, "after it")).encoded
    let first = isHelloFirst ? ControlMessage.hello(hello).encoded : []
    let ends = try Ends()
    let messages = try await ends.messages(of: first + long + goodbye) { message in
      if case .goodbye = message { true } else { false }
    }
    #expect(messages.count == (isHelloFirst ? 2 : 0), "\(messages)")
    await ends.stop()
  }
}
