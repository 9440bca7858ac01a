import Primitives
import TestSupport
import Testing
import Transfer
import Wire

/// A source stops in the middle of a piece and sends the reason on the control stream.
@Suite struct AbortedPieceTests {
  private let start = Instant(nanoseconds: 0)
  private let load = LoadID(number: 1)
  private let hash: ContentHash = .filled(with: 1)
  private let manifest: ContentHash = .filled(with: 2)
  private let other: ContentHash = .filled(with: 3)
  private let first: NodeID = .filled(with: 4)
  private let second: NodeID = .filled(with: 5)
  private let topic: Topic = .filled(with: 6)

  /// Answers the query on behalf of these nodes, which have a file of `size` bytes.
  private func answer(_ engine: inout TransferEngine, _ question: Question, _ nodes: [NodeID], size: UInt64) {
    engine.asked(question.id, nodes.map { AskedPeer(node: $0, topic: topic) }, at: start)
    for node in nodes { engine.answered(question.id, by: node, .has(FindAnswer.File(size: size)), at: start) }
  }

  /// A load of 1,000 bytes from these nodes, of which 400 have arrived.
  private func begin(_ engine: inout TransferEngine, from nodes: [NodeID]) throws -> PieceFetch {
    engine.load(load, FileQuery(key: FileKey(hash: hash)), at: start)
    answer(&engine, try #require(engine.drain().questions.first), nodes, size: 1_000)
    engine.prepared(try #require(engine.drain().download), at: start)
    let fetch = try #require(engine.drain().fetches.first)
    engine.received(fetch.id, 400, at: start)
    _ = engine.drain()
    return fetch
  }

  @Test func theRestIsFetchedFromAnother() throws {
    var engine = TransferEngine()
    let fetch = try begin(&engine, from: [first, second])
    let (lost, left) = fetch.source.node == first ? (first, second) : (second, first)
    engine.aborted(hash, by: lost, .changed, at: start)
    let effects = engine.drain()
    #expect(effects.contains { if case .download(.abandon(_, lost)) = $0 { true } else { false } })
    #expect(!effects.contains { if case .misbehaved = $0 { true } else { false } })
    let rest = try #require(effects.fetches.first)
    #expect(rest.source.node == left && rest.range == ByteRange(start: 400, end: 1_000))
    #expect(engine.history(of: hash, at: start)?.losses == [lost: .refused(.changed)])
    // The end of the stream, which follows later, has no further effect.
    engine.fetched(fetch.id, .disconnected, at: start)
    #expect(engine.drain().isEmpty)
    engine.fetched(rest.id, .verified, at: start)
    #expect(engine.drain().contains { if case .download(.complete) = $0 { true } else { false } })
  }

  @Test(arguments: Refusal.allCases.filter { $0 != .limitReached })
  func theLastSourceIsAskedOnceMore(reason: Refusal) throws {
    var engine = TransferEngine()
    _ = try begin(&engine, from: [first])
    engine.aborted(hash, by: first, reason, at: start)
    let effects = engine.drain()
    #expect(effects.failure == nil && effects.fetches.isEmpty)
    let question = try #require(effects.questions.first)
    engine.asked(question.id, [AskedPeer(node: first, topic: topic)], at: start)
    engine.answered(question.id, by: first, .refuses(reason), at: start)
    #expect(engine.drain().failure == nil, "another may appear meanwhile")
    engine.wake(at: start + TransferEngine.peerGrace)
    guard case .lostSources(loaded: 0, total: 1_000, last: first) = engine.drain().failure else {
      return #expect(Bool(false), "no failure, or another")
    }
    #expect(engine.history(of: hash, at: start)?.losses == [first: .refused(reason)])
    #expect(engine.wakeAt == nil)
  }

  /// It serves its maximum number of transfers: it stays a source and continues after a pause.
  @Test func aBusySourceContinuesAfterAPause() throws {
    var engine = TransferEngine()
    let fetch = try begin(&engine, from: [first])
    engine.aborted(hash, by: first, .limitReached, at: start)
    let effects = engine.drain()
    #expect(effects.failure == nil && effects.fetches.isEmpty && effects.questions.isEmpty)
    #expect(effects.contains { if case .download(.abandon(_, first)) = $0 { true } else { false } })
    #expect(effects.contains { if case .client(.waits(load, first, others: nil)) = $0 { true } else { false } })
    engine.fetched(fetch.id, .disconnected, at: start)
    #expect(engine.drain().isEmpty)
    let due = try #require(engine.wakeAt)
    #expect(due > start && due <= start + .seconds(1))
    engine.wake(at: due)
    let again = try #require(engine.drain().fetches.first)
    #expect(again.source.node == first && again.kept == 400)
  }

  /// A node cannot abort what was not requested from it.
  @Test func aNoticeOfSomethingElseChangesNothing() throws {
    var engine = TransferEngine()
    let fetch = try begin(&engine, from: [first])
    engine.aborted(other, by: first, .changed, at: start)
    engine.aborted(hash, by: second, .changed, at: start)
    engine.aborted(hash, by: second, .limitReached, at: start)
    #expect(engine.drain().isEmpty)
    #expect(engine.history(of: hash, at: start)?.losses == [:])
    engine.fetched(fetch.id, .verified, at: start)
    #expect(engine.drain().contains { if case .download(.complete) = $0 { true } else { false } })
    // Nothing more is requested from it.
    engine.aborted(hash, by: first, .changed, at: start)
    #expect(engine.drain().isEmpty)
  }

  /// The notice arrives before the store is ready, so it cannot be about this load.
  @Test func aNoticeBeforeAnythingIsAskedForChangesNothing() throws {
    var engine = TransferEngine()
    engine.load(load, FileQuery(key: FileKey(hash: hash)), at: start)
    engine.aborted(hash, by: first, .changed, at: start)
    answer(&engine, try #require(engine.drain().questions.first), [first], size: 1_000)
    engine.aborted(hash, by: first, .changed, at: start)
    engine.prepared(try #require(engine.drain().download), at: start)
    #expect(engine.drain().fetches.map(\.source.node) == [first])
  }

  /// A part is read from the larger file, and the notice names that file.
  @Test func aPartEndsByTheNameOfTheWhole() throws {
    var engine = TransferEngine()
    let range = try #require(ByteRange(start: 5_000, end: 6_000))
    let key = FileKey(hash: hash, chunkOf: ChunkLocation(parent: other, range: range))
    engine.load(load, FileQuery(key: key), at: start)
    let questions = engine.drain().questions
    let ofParent = try #require(questions.first { $0.hash == other })
    answer(&engine, ofParent, [first, second], size: 10_000)
    engine.prepared(try #require(engine.drain().download), at: start)
    let fetch = try #require(engine.drain().fetches.first)
    engine.aborted(hash, by: fetch.source.node, .changed, at: start)
    #expect(engine.drain().fetches.isEmpty, "its name is not that of the larger file")
    engine.aborted(other, by: fetch.source.node, .changed, at: start)
    let rest = try #require(engine.drain().fetches.first)
    #expect(rest.source.node != fetch.source.node && rest.range == range)
  }

  /// Its only source stops while it sends the manifest, which no node has now: the file is loaded without it.
  @Test func aManifestThatIsStoppedIsDoneWithout() throws {
    var engine = TransferEngine()
    let size = 2 * Limits.chunkSize
    engine.load(load, FileQuery(key: FileKey(hash: hash, manifest: manifest)), at: start)
    answer(&engine, try #require(engine.drain().questions.first), [first], size: size)
    engine.manifestRead(try #require(engine.drain().download), nil, at: start)
    answer(&engine, try #require(engine.drain().questions.first { $0.hash == manifest }), [first], size: 300)
    engine.prepared(try #require(engine.drain().download), at: start)
    #expect(engine.drain().fetches.map(\.source.hash) == [manifest])
    engine.aborted(manifest, by: first, .unreadable, at: start)
    let again = try #require(engine.drain().questions.first { $0.hash == manifest })
    engine.asked(again.id, [AskedPeer(node: first, topic: topic)], at: start)
    engine.answered(again.id, by: first, .refuses(.unreadable), at: start)
    engine.wake(at: start + TransferEngine.peerGrace)
    let effects = engine.drain()
    #expect(effects.failure == nil)
    #expect(effects.contains { if case .download(.prepare(_, let plan)) = $0 { plan.hash == hash } else { false } })
  }
}
