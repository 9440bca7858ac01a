import APIModel
import Foundation
import Glibc
import Primitives
import TestSupport
import Testing
import Wire

/// A real daemon linked to a member of its channel that speaks the protocol and makes false claims.
@Suite(.serialized, .timeLimit(.minutes(2))) struct HostileNodeTests {
  private static let channel = AttackedPair.channel

  /// Most memory for a load of 45 MB, whatever peers claim: windows and blocks, but no list of claims.
  private static let memory = 128 << 20

  private let pair: AttackedPair
  private var folder: TemporaryFolder { pair.folder }
  private var honest: RunningDaemon { pair.honest }
  private var victim: RunningDaemon { pair.victim }

  init() throws { pair = try AttackedPair() }

  /// The honest node is stopped until the daemon has believed the others.
  private func load(beside liars: [HostilePeer]) async throws {
    let path = try folder.file("file", bytes: 45_000_000)
    let key = FileKey(hash: try honest.store(path).hash)
    for liar in liars { try await liar.join(port: victim.linkPort) }
    let before = try victim.peakMemory()
    honest.signal(SIGSTOP)
    let loader = Loader(daemon: victim)
    async let loaded = onOwnThread { try loader.load(key) }
    for liar in liars { try await liar.waitUntilBelieved() }
    honest.signal(SIGCONT)
    #expect(FileManager.default.contentsEqual(atPath: path, andPath: try await loaded))
    for liar in liars { #expect(await liar.claims > 0) }
    #expect(victim.isRunning)
    let growth = try victim.peakMemory() - before
    // Under a sanitizer, freed memory still counts.
    if RunningDaemon.sanitizerOptions.isEmpty { #expect(growth < Self.memory, "\(growth) bytes more") }
    for liar in liars { await liar.stop() }
  }

  /// A petabyte, which no disk has room for, and sizes that are cheap to believe.
  @Test(arguments: [1_000_000_000_000_000, 999, 46_000_000] as [UInt64], HostilePeer.Giving.allCases)
  func aClaimThatIsNeverProvedHarmsNothing(size: UInt64, giving: HostilePeer.Giving) async throws {
    try await load(beside: [HostilePeer(channel: Self.channel, claiming: size, giving: giving)])
  }

  @Test func whatNoFileCanHaveEndsTheLink() async throws {
    let liar = try HostilePeer(channel: Self.channel, claiming: .max)
    try await load(beside: [liar])
    #expect(await liar.requests == 0)
  }

  @Test func severalBadSourcesTogetherDoNoHarm() async throws {
    let claims: [UInt64] = [1_000_000_000_000_000, 999, 46_000_000]
    try await load(
      beside: try claims.flatMap { size in
        try HostilePeer.Giving.allCases.map {
          try HostilePeer(channel: Self.channel, claiming: size, giving: $0)
        }
      })
  }

  // MARK: Nonsense

  /// Input from a peer that has proved membership, and its stream.
  struct Nonsense: Sendable, CustomTestStringConvertible {
    let testDescription: String
    /// Nil for the control stream.
    let kind: UInt8?
    let bytes: [UInt8]

    static let all: [Nonsense] = [
      Nonsense(testDescription: "a message without end", kind: nil, bytes: [0xff, 0xff, 0xff, 0xff, 4]),
      Nonsense(testDescription: "a message of nothing", kind: nil, bytes: [0, 0, 0, 0]),
      Nonsense(testDescription: "half a question", kind: nil, bytes: Frame.encode(4) { $0.integer(UInt32(7)) }),
      Nonsense(
        testDescription: "an answer of 2⁶⁴−1 bytes", kind: nil,
        bytes: ControlMessage.found(FindAnswer(id: 1, .has(FindAnswer.File(size: .max)))).encoded),
      Nonsense(
        testDescription: "a list of more than there are", kind: nil, bytes: Frame.encode(2) { $0.integer(UInt16.max) }),
      Nonsense(testDescription: "a second control stream", kind: StreamKind.control.rawValue, bytes: [1, 2, 3]),
      Nonsense(testDescription: "a stream for nothing", kind: 200, bytes: [1, 2, 3]),
      Nonsense(testDescription: "a fetch without end", kind: StreamKind.fetch.rawValue, bytes: [0xff, 0, 0, 0]),
      Nonsense(
        testDescription: "a fetch of something else", kind: StreamKind.fetch.rawValue, bytes: [0, 0, 0, 2, 99, 0]),
      Nonsense(testDescription: "half a fetch", kind: StreamKind.fetch.rawValue, bytes: [0, 0, 0, 2, 16, 0]),
      Nonsense(testDescription: "a batch without end", kind: StreamKind.batch.rawValue, bytes: [0x7f, 0, 0, 0]),
      Nonsense(testDescription: "half a batch", kind: StreamKind.batch.rawValue, bytes: [0, 0, 0, 2, 24, 0]),
      Nonsense(testDescription: "a feed without end", kind: StreamKind.feed.rawValue, bytes: [0xff, 0, 0, 0]),
      Nonsense(testDescription: "half a feed request", kind: StreamKind.feed.rawValue, bytes: [0, 0, 0, 2, 32, 0]),
    ]
  }

  /// Each ends its stream or its link, and nothing else.
  @Test func nonsenseEndsAtMostTheLink() async throws {
    for nonsense in Nonsense.all {
      let peer = try HostilePeer(channel: Self.channel)
      try await peer.join(port: victim.linkPort)
      let stream: Int?
      if let kind = nonsense.kind {
        stream = try await peer.open([kind] + nonsense.bytes)
      } else {
        stream = nil
        try await peer.sayBytes(nonsense.bytes)
      }
      await #expect(throws: Never.self, "\(nonsense.testDescription)") { try await peer.waitForEnd(of: stream) }
      await peer.stop()
      #expect(victim.isRunning, "\(nonsense.testDescription)")
    }
    try await pair.expectToWork(70_000)
  }

  /// Valid messages in the wrong place.
  @Test func aSecondHelloEndsTheLink() async throws {
    let peer = try HostilePeer(channel: Self.channel)
    try await peer.join(port: victim.linkPort)
    try await peer.say(.hello(try await peer.hello()))
    try await peer.waitForEnd(of: nil)
    await peer.stop()
    try await pair.expectToWork(70_001)
  }

  // MARK: What is in a file's place

  @Test func whatIsInAFilesPlaceIsRefusedAndTheStreamContinues() async throws {
    let peer = try HostilePeer(channel: Self.channel)
    try await peer.join(port: victim.linkPort)
    let good = FileKey(hash: try victim.store(try folder.file("good", bytes: 3)).hash)
    let channel = try await peer.channel
    func request(_ hash: ContentHash, _ count: UInt64) -> [UInt8] {
      FetchRequest(channel: channel, hash: hash, range: ByteRange(whole: count)).encoded
    }
    for (number, obstacle) in [
      { mkdir($0, 0o755) }, { mkfifo($0, 0o644) }, { symlink("/nowhere", $0) }, { symlink($0, $0) },
    ].enumerated() as EnumeratedSequence<[(String) -> Int32]> {
      let hash = try victim.store(try folder.file("file", bytes: 50_000 + number)).hash
      let place = "\(victim.storage)/sha1/" + ContentStorePath.relative(hash)
      try FileManager.default.removeItem(atPath: place)
      #expect(obstacle(place) == 0)
      let stream = try await peer.open(
        [StreamKind.fetch.rawValue] + request(hash, 50_000) + request(good.hash, 3))
      let reply = FetchReply(.notHere).encoded.count
      let answer = try await peer.answer(on: stream, of: 2 * reply + 3)
      let refusals = Refusal.allCases.map { FetchReply($0).encoded }
      #expect(refusals.contains(Array(answer.prefix(reply))), "\(answer)")
      #expect(Array(answer.dropFirst(reply)) == FetchReply(count: 3).encoded + PatternBytes.make(3, seed: 3))
      #expect(victim.isRunning)
    }
    await peer.stop()
    try await pair.expectToWork(70_002)
  }
}
