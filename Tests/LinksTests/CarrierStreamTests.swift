import Primitives
import TestSupport
import Testing

@testable import Links

/// What streams promise, over each carrier.
@Suite(.timeLimit(.minutes(1))) struct CarrierStreamTests {
  /// Both ends send on one stream, concurrently.
  @Test(arguments: CarrierKind.allCases, [0, 1, 16 << 20])
  func bytesArriveWholeInBothDirections(kind: CarrierKind, count: Int) async throws {
    let (there, back) = (PatternBytes.make(count, seed: 1), PatternBytes.make(count, seed: 2))
    try await withHosts(over: kind) { hosts in
      try await hosts.connect()
      let received: [Received] = await hosts.run { hosts, done in
        var received: [Received?] = [nil, nil]
        func arrived(_ side: Int, _ bytes: Received) {
          received[side] = bytes
          if !received.contains(nil) { done(received.compactMap(\.self)) }
        }
        hosts.accepted[0].onStream = { stream in
          drain(stream) { arrived(0, $0) }
          pour(back, into: stream)
        }
        let stream = hosts.dialed[0].openStream(window: 4 << 20)
        drain(stream) { arrived(1, $0) }
        pour(there, into: stream)
      }
      #expect(received == [.all(there), .all(back)])
      #expect(await hosts.openStreams == [0, 0])
    }
  }

  /// More streams than a peer accepts at a time, each with bytes of its own.
  @Test(arguments: CarrierKind.allCases, [1_000, 3_000])
  func manyStreamsCarryTheirOwnBytes(kind: CarrierKind, count: Int) async throws {
    try await withHosts(over: kind) { hosts in
      try await hosts.connect()
      let intact: Int = await hosts.run { hosts, done in
        hosts.accepted[0].onStream = { echo($0) }
        var (ended, intact) = (0, 0)
        for number in 0..<count {
          let message = PatternBytes.make(number % 2_000, seed: number)
          let stream = hosts.dialed[0].openStream()
          drain(stream) { received in
            ended += 1
            if received == .all(message) { intact += 1 }
            if ended == count { done(intact) }
          }
          stream.write(message)
          stream.finish()
        }
      }
      #expect(intact == count)
      #expect(await hosts.openStreams == [0, 0])
    }
  }

  @Test(arguments: CarrierKind.allCases) func aReaderThatStopsBlocksItsOwnStreamAlone(kind: CarrierKind) async throws {
    let window = 256 << 10
    let bytes = PatternBytes.make(2 << 20)
    try await withHosts(over: kind) { hosts in
      try await hosts.connect()
      let (stopped, written, other): (Int, Int, Received) = await hosts.run { hosts, done in
        var isFirst = true
        var stopped = 0
        var written = 0
        hosts.accepted[0].onStream = { stream in
          defer { isFirst = false }
          if isFirst {
            stream.onData = { stopped += $0.count }
          } else {
            drain(stream) { received in done((stopped, written, received)) }
          }
        }
        let blocked = hosts.dialed[0].openStream()
        let fill = { [weak blocked] in
          while let blocked, blocked.isWritable {
            blocked.write([UInt8](repeating: 1, count: 64 << 10))
            written += 64 << 10
          }
        }
        blocked.onWritable = fill
        fill()
        pour(bytes, into: hosts.dialed[0].openStream())
      }
      #expect(stopped == window)
      #expect(written >= window && written <= window + 1 << 20)
      #expect(other == .all(bytes))
    }
  }

  @Test(arguments: CarrierKind.allCases) func oneDirectionOutlivesTheOther(kind: CarrierKind) async throws {
    let answer = PatternBytes.make(500_000)
    try await withHosts(over: kind) { hosts in
      try await hosts.connect()
      let (question, received): (Received, Received) = await hosts.run { hosts, done in
        var question: Received?
        hosts.accepted[0].onStream = { stream in
          drain(stream) { received in
            question = received
            // The asking side has finished; it still reads.
            pour(answer, into: stream)
          }
        }
        let stream = hosts.dialed[0].openStream()
        drain(stream) { received in if let question { done((question, received)) } }
        stream.write([1, 2, 3])
        stream.finish()
        stream.write([4])
      }
      #expect(question == .all([1, 2, 3]))
      #expect(received == .all(answer))
    }
  }

  @Test(arguments: CarrierKind.allCases) func aResetReachesThePeer(kind: CarrierKind) async throws {
    try await withHosts(over: kind) { hosts in
      try await hosts.connect()
      let end: LinkStreamEnd = await hosts.run { hosts, done in
        hosts.accepted[0].onStream = { $0.reset() }
        let stream = hosts.dialed[0].openStream()
        stream.onEnd = { done($0) }
        stream.write([1])
      }
      #expect(end == .reset)
    }
  }

  /// Both ends send megabytes when one of them resets: nothing more arrives there, and the link goes on.
  @Test(arguments: CarrierKind.allCases, [true, false])
  func aResetWhileDataIsUnderWayHarmsNoOtherStream(kind: CarrierKind, byDialer: Bool) async throws {
    let bytes = PatternBytes.make(4 << 20)
    try await withHosts(over: kind) { hosts in
      try await hosts.connect()
      let (end, late, received): (LinkStreamEnd, Int, Received) = await hosts.run { hosts, done in
        let (resetting, other) = byDialer ? (hosts.dialed[0], hosts.accepted[0]) : (hosts.accepted[0], hosts.dialed[0])
        var late = 0
        other.onStream = { stream in
          drain(stream) { first in
            other.onStream = { echo($0) }
            let next = resetting.openStream()
            drain(next) { done((first.end, late, $0)) }
            pour([1, 2, 3], into: next)
          }
          pour(bytes, into: stream)
        }
        let stream = resetting.openStream()
        var count = 0
        var isReset = false
        stream.onData = { [weak stream] data in
          if isReset { late += data.count }
          count += data.count
          stream?.consumed(data.count)
          guard count > 1 << 20, !isReset else { return }
          isReset = true
          stream?.reset()
        }
        // Without an end: the peer could read all of it before the reset, and would then see a finished stream.
        pour(bytes, into: stream, finishing: false)
      }
      #expect(end == .reset)
      #expect(late == 0)
      #expect(received == .all([1, 2, 3]))
    }
  }

  @Test(arguments: CarrierKind.allCases) func streamsWithoutAReceiverAreReset(kind: CarrierKind) async throws {
    try await withHosts(over: kind) { hosts in
      try await hosts.connect()
      let end: LinkStreamEnd = await hosts.run { hosts, done in
        let stream = hosts.accepted[0].openStream()
        stream.onEnd = { done($0) }
      }
      #expect(end == .reset)
    }
  }
}
