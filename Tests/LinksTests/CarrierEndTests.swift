import EventLoop
import Primitives
import TestSupport
import Testing

@testable import Links

/// How links end, over each carrier.
@Suite(.timeLimit(.minutes(5))) struct CarrierEndTests {
  /// The reader consumes slowly, so that most bytes wait for the window when the link is closed.
  @Test(arguments: CarrierKind.allCases) func bytesWrittenBeforeTheCloseArrive(kind: CarrierKind) async throws {
    let total = 1 << 20
    try await withHosts(over: kind) { hosts in
      try await hosts.connect()
      let (received, error): (Int, KacheryError?) = await hosts.run { hosts, done in
        var received = 0
        hosts.accepted[0].onStream = { stream in
          stream.onData = { bytes in
            received += bytes.count
            let count = bytes.count
            _ = hosts.loop.after(.milliseconds(1)) { stream.consumed(count) }
          }
        }
        hosts.accepted[0].onClose = { done((received, $0)) }
        let stream = hosts.dialed[0].openStream()
        stream.write([UInt8](repeating: 1, count: total))
        hosts.dialed[0].close()
        stream.write([UInt8](repeating: 2, count: total))
      }
      #expect(received == total)
      #expect(error == nil)
    }
  }

  /// The peer reads nothing more, so what was written can never be sent.
  @Test(arguments: CarrierKind.allCases) func aCloseThatThePeerBlocksEndsAnyway(kind: CarrierKind) async throws {
    try await withHosts(over: kind) { hosts in
      try await hosts.connect()
      let (time, error): (Duration, KacheryError?) = await hosts.run { hosts, done in
        hosts.accepted[0].onStream = { stream in stream.onData = { _ in } }
        let start = hosts.loop.now
        hosts.dialed[0].onClose = { done((hosts.loop.now - start, $0)) }
        hosts.dialed[0].openStream().write([UInt8](repeating: 1, count: 1 << 20))
        hosts.dialed[0].close()
      }
      // The loop counts whole milliseconds.
      #expect(time > Link.closingTime - .milliseconds(2))
      #expect(error == nil)
    }
  }

  @Test(arguments: CarrierKind.allCases) func theEndOfALinkEndsItsStreams(kind: CarrierKind) async throws {
    try await withHosts(over: kind) { hosts in
      try await hosts.connect()
      let ends: [LinkStreamEnd] = await hosts.run { hosts, done in
        var ends: [LinkStreamEnd] = []
        for _ in 0..<3 { hosts.dialed[0].openStream().onEnd = { ends.append($0) } }
        hosts.dialed[0].onClose = { _ in done(ends) }
        hosts.accepted[0].close()
      }
      #expect(ends == [.linkClosed, .linkClosed, .linkClosed])
    }
  }

  @Test(arguments: CarrierKind.allCases) func aStreamOpenedOnAClosedLinkEnds(kind: CarrierKind) async throws {
    try await withHosts(over: kind) { hosts in
      try await hosts.connect()
      let (end, isWritable): (LinkStreamEnd, Bool) = await hosts.run { hosts, done in
        hosts.dialed[0].onClose = { _ in
          let stream = hosts.dialed[0].openStream()
          let isWritable = stream.isWritable
          stream.write([1])
          stream.onEnd = { done(($0, isWritable)) }
        }
        hosts.dialed[0].close()
      }
      #expect(end == .linkClosed)
      #expect(!isWritable)
    }
  }

  /// The test passes the times to the link; nothing is read meanwhile, since the loop is busy.
  @Test(arguments: CarrierKind.allCases) func aSilentPeerIsGivenUp(kind: CarrierKind) async throws {
    try await withHosts(over: kind) { hosts in
      try await hosts.connect()
      let (checks, error): (Int, KacheryError?) = await hosts.run { hosts, done in
        var checks = 0
        var isOver = false
        hosts.dialed[0].onClose = { error in
          isOver = true
          done((checks, error))
        }
        while !isOver, checks < 10 {
          checks += 1
          hosts.dialed[0].checkLife(at: hosts.loop.now + LinkClock.pingPeriod * checks)
        }
      }
      #expect(checks == 4 && error?.code == .timedOut)
    }
  }

  /// Nothing is read while the loop is busy with the checks; afterwards the answers arrive.
  @Test(arguments: CarrierKind.allCases) func aSilentPathIsReportedAndTheLinkStays(kind: CarrierKind) async throws {
    try await withHosts(over: kind) { hosts in
      try await hosts.connect()
      let (reports, error): ([Bool], KacheryError?) = await hosts.run { hosts, done in
        let link = hosts.dialed[0]
        var reports: [Bool] = []
        link.onSilence = { isSilent in
          reports.append(isSilent)
          if !isSilent { link.close() }
        }
        link.onClose = { done((reports, $0)) }
        hosts.accepted[0].onStream = { echo($0) }
        link.openStream().write([1])
        let start = hosts.loop.now
        for check in 1...16 { link.checkLife(at: start + LinkClock.watchPeriod * check) }
      }
      #expect(reports == [true, false])
      #expect(error == nil)
    }
  }

  @Test(arguments: CarrierKind.allCases) func aSuspendedProcessKeepsItsLinks(kind: CarrierKind) async throws {
    try await withHosts(over: kind) { hosts in
      try await hosts.connect()
      let received: Received = await hosts.run { hosts, done in
        hosts.accepted[0].onStream = { echo($0) }
        hosts.dialed[0].checkLife(at: hosts.loop.now + .seconds(14))
        let stream = hosts.dialed[0].openStream()
        drain(stream) { done($0) }
        pour([1, 2, 3], into: stream)
      }
      #expect(received == .all([1, 2, 3]))
    }
  }

  @Test(arguments: CarrierKind.allCases) func aPingMeasuresTheRoundTrip(kind: CarrierKind) async throws {
    try await withHosts(over: kind) { hosts in
      try await hosts.connect()
      await hosts.checkLife()
      try await hosts.until { $0.dialed[0].roundTripTime != nil }
      let time = await hosts.dialedRoundTrip
      #expect(time.map { $0 > .zero && $0 < .seconds(60) } == true)
    }
  }

  @Test(arguments: CarrierKind.allCases) func aLinkThatIsReleasedCloses(kind: CarrierKind) async throws {
    try await withHosts(over: kind) { hosts in
      try await hosts.connect()
      let (ends, error): ([LinkStreamEnd], KacheryError?) = await hosts.run { hosts, done in
        var ends: [LinkStreamEnd] = []
        // Without it the peer would reset the stream, perhaps before the link is released.
        hosts.accepted[0].onStream = { _ in }
        let stream = hosts.dialed[0].openStream()
        stream.onEnd = { ends.append($0) }
        hosts.accepted[0].onClose = { error in
          _ = stream
          done((ends, error))
        }
        hosts.dialed = []
      }
      #expect(ends == [.linkClosed])
      #expect(error?.code == .disconnected)
    }
  }

  /// A few links at a time, each with a stream; in the end neither objects nor handles of any of them are left.
  @Test(arguments: CarrierKind.allCases) func manyLinksLeaveNothingBehind(kind: CarrierKind) async throws {
    // Handshakes within others, and over datagrams, take longer.
    let count = kind == .nested || kind == .quic ? 60 : 150
    try await withHosts(over: kind) { hosts in
      let handles = hosts.loop.openHandles
      let remains = Remains()
      let intact: Int = await hosts.run { hosts, done in
        hosts.network.onPair = { near, far in
          remains.watch(near)
          remains.watch(far)
        }
        hosts.nested.onPipe = { remains.watch($0) }
        func watch(_ link: Link) {
          remains.watch(link)
          remains.watch(link.carrier)
          // Owned by its own callback until it is closed.
          link.onClose = { _ in _ = link }
        }
        hosts.listener.onLink = { link in
          watch(link)
          link.onStream = { stream in
            remains.watch(stream)
            echo(stream)
          }
        }
        let (dialer, endpoint) = (hosts.dialer, hosts.endpoint)
        var (begun, ended, intact) = (0, 0, 0)
        func finish(_ isIntact: Bool) {
          ended += 1
          if isIntact { intact += 1 }
          if ended == count { done(intact) } else { next() }
        }
        func next() {
          guard begun < count else { return }
          begun += 1
          _ = dialer.dial(to: endpoint, expected: nil, timeout: .seconds(30)) { result in
            guard let link = try? result.get() else { return finish(false) }
            watch(link)
            let stream = link.openStream()
            remains.watch(stream)
            drain(stream) { received in
              link.close()
              finish(received == .all([1, 2, 3]))
            }
            pour([1, 2, 3], into: stream)
          }
        }
        // A few concurrently, so that resolving an address on another thread does not hold up the rest.
        for _ in 0..<20 { next() }
      }
      #expect(intact == count)
      try await hosts.until { $0.loop.openHandles == handles && remains.alive == 0 }
      // The pipes of the others are not watched.
      let perLink = [.memory, .nested].contains(kind) ? 8 : 6
      #expect(await hosts.run { _, done in done(remains.watched) } == count * perLink)
    }
  }
}

/// Objects that should all be released. Bound to the loop of the test.
// Only closures that run on the loop touch it.
final class Remains: @unchecked Sendable {
  private struct Box { weak var object: AnyObject? }

  private var boxes: [Box] = []
  private(set) var watched = 0

  func watch(_ object: AnyObject) {
    watched += 1
    boxes.append(Box(object: object))
  }

  var alive: Int { boxes.count { $0.object != nil } }
}
