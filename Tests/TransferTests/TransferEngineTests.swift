import Primitives
import TestSupport
import Testing
import Transfer
import Wire

/// The engine alone, one input at a time. Whole transfers are simulated elsewhere.
@Suite struct TransferEngineTests {
  private let start = Instant(nanoseconds: 0)
  private let load = LoadID(number: 1)
  private let hash: ContentHash = .filled(with: 1)
  private let manifestHash: ContentHash = .filled(with: 2)
  private let chunkHash: ContentHash = .filled(with: 3)
  private let node: NodeID = .filled(with: 4)
  private let other: NodeID = .filled(with: 5)
  private let topic: Topic = .filled(with: 6)

  private func question(_ effects: [TransferEffect]) throws -> Question { try #require(effects.questions.first) }

  private func download(_ effects: [TransferEffect]) throws -> DownloadID { try #require(effects.download) }

  /// A load of a file that one node has.
  private func begin(_ engine: inout TransferEngine, size: UInt64, manifest: ContentHash? = nil) throws
    -> [TransferEffect]
  {
    engine.load(load, FileQuery(key: FileKey(hash: hash, manifest: manifest)), at: start)
    let question = try question(engine.drain())
    engine.asked(question.id, [AskedPeer(node: node, topic: topic)], at: start)
    engine.answered(question.id, by: node, .has(FindAnswer.File(size: size)), at: start)
    return engine.drain()
  }

  private func manifest(chunks: Int) -> Manifest {
    Manifest(
      size: UInt64(chunks) * Limits.chunkSize, hash: hash, chunkHashes: Array(repeating: chunkHash, count: chunks))
  }

  /// Two sources are withdrawn together: the pieces of the first are not requested from the second.
  @Test func sourcesThatAreWithdrawnTogetherAreNotAskedForEachOther() throws {
    for withdrawn in [[node, other], [other, node]] {
      var engine = TransferEngine()
      engine.load(load, FileQuery(key: FileKey(hash: hash)), at: start)
      let question = try question(engine.drain())
      engine.asked(question.id, [node, other].map { AskedPeer(node: $0, topic: topic) }, at: start)
      for peer in [node, other] {
        engine.answered(question.id, by: peer, .has(FindAnswer.File(size: 5)), at: start)
      }
      let id = try download(engine.drain())
      engine.prepared(id, at: start)
      #expect(engine.drain().fetches.count == 1)
      engine.withdraw(except: withdrawn.map { ($0, [.filled(with: 9)]) }, at: start)
      #expect(engine.drain().fetches.isEmpty)
    }
  }

  /// Idle lanes get pieces although nothing is known of the rate, one per report and not more than the limit.
  @Test func aSourceWithIdleLanesGetsMorePieces() throws {
    var engine = TransferEngine()
    let id = try download(try begin(&engine, size: 200_000_000, manifest: manifestHash))
    engine.manifestRead(id, manifest(chunks: 10), at: start)
    _ = engine.drain()
    engine.prepared(id, at: start)
    #expect(engine.drain().fetches.map(\.piece.range.start) == [0])
    engine.hasRoom(id, at: other, at: start)
    #expect(engine.drain().fetches.isEmpty, "that node is no source")
    var pieces = 1
    for _ in 0..<10 {
      engine.hasRoom(id, at: node, at: start)
      let fetches = engine.drain().fetches
      #expect(
        fetches.map(\.piece.range.start)
          == (pieces < TransferEngine.mostPiecesAhead ? [UInt64(pieces) * Limits.chunkSize] : []))
      pieces += fetches.count
    }
    #expect(pieces == TransferEngine.mostPiecesAhead)
  }

  /// A source with idle lanes gets more pieces however long those will take that it has: unless another source could give
  /// them meanwhile.
  @Test(arguments: [true, false]) func aSlowSourceGetsMorePiecesIfItIsTheOnlyOne(isOnlyOne: Bool) throws {
    var engine = TransferEngine()
    engine.load(load, FileQuery(key: FileKey(hash: hash, manifest: manifestHash)), at: start)
    let question = try question(engine.drain())
    let peers = isOnlyOne ? [node] : [node, other]
    engine.asked(question.id, peers.map { AskedPeer(node: $0, topic: topic) }, at: start)
    for peer in peers { engine.answered(question.id, by: peer, .has(FindAnswer.File(size: 200_000_000)), at: start) }
    let id = try download(engine.drain())
    engine.manifestRead(id, manifest(chunks: 10), at: start)
    engine.prepared(id, at: start)
    let first = try #require(engine.drain().fetches.first { $0.source.node == node })
    // At this rate, the piece takes 20 s.
    engine.received(first.id, 1_000_000, at: start + .seconds(1))
    _ = engine.drain()
    engine.hasRoom(id, at: node, at: start + .seconds(1))
    #expect(engine.drain().fetches.count == (isOnlyOne ? 1 : 0))
  }

  /// The next piece is requested when less than a second's worth of the first is left.
  @Test func piecesAreAskedForInOrderOneAhead() throws {
    var engine = TransferEngine()
    let id = try download(try begin(&engine, size: 80_000_000, manifest: manifestHash))
    engine.manifestRead(id, manifest(chunks: 4), at: start)
    engine.prepared(id, verified: [0], at: start)
    var asked = engine.drain().fetches
    try #require(asked.map(\.piece.range.start) == [20_000_000])
    engine.received(asked[0].id, 8_000_000, at: start + .seconds(1))
    #expect(engine.drain().fetches.isEmpty)
    engine.received(asked[0].id, 16_000_000, at: start + .seconds(2))
    asked += engine.drain().fetches
    try #require(asked.map(\.piece.range.start) == [20_000_000, 40_000_000])
    engine.fetched(asked[0].id, .verified, at: start + .seconds(2))
    asked += engine.drain().fetches
    #expect(asked.map(\.piece.range.start) == [20_000_000, 40_000_000])
    engine.received(asked[1].id, 16_000_000, at: start + .seconds(4))
    asked += engine.drain().fetches
    #expect(asked.map(\.piece.range.start) == [20_000_000, 40_000_000, 60_000_000])
  }

  /// Without a joined channel no node can appear, so the load waits for none.
  @Test func withoutAChannelTheLoadFailsImmediately() throws {
    for (topics, wanted) in [([], nil), ([topic], Topic(bytes: [UInt8](repeating: 9, count: Topic.byteCount)))] {
      var engine = TransferEngine()
      engine.topics = Set(topics)
      engine.load(load, FileQuery(key: FileKey(hash: hash), topic: wanted), at: start)
      let question = try question(engine.drain())
      engine.asked(question.id, [], at: start)
      guard case .noSource(asked: 0) = engine.drain().failure else { return #expect(Bool(false), "it waits") }
    }
  }

  /// The channel was left while the load was waiting for a peer.
  @Test func leavingTheLastChannelEndsTheWait() throws {
    var engine = TransferEngine()
    engine.topics = [topic]
    engine.load(load, FileQuery(key: FileKey(hash: hash)), at: start)
    let question = try question(engine.drain())
    engine.asked(question.id, [], at: start)
    #expect(engine.drain().failure == nil)
    engine.topics = []
    engine.settleSearches(at: start)
    guard case .noSource = engine.drain().failure else { return #expect(Bool(false), "it waits") }
  }

  /// The lanes to a source open while the manifest is fetched, not after it.
  @Test func aFetchIsAnnouncedWhenTheSourceAnswers() throws {
    var engine = TransferEngine()
    let effects = try begin(&engine, size: 90_000_000, manifest: manifestHash)
    let id = try download(effects)
    let announced = effects.compactMap { effect -> (UInt64, DownloadID, NodeID)? in
      if case .willFetch(let count, let id, let node) = effect { (count, id, node) } else { nil }
    }
    #expect(announced.count == 1)
    #expect(announced.first.map { $0 == (90_000_000, id, node) } == true)
  }

  @Test func aManifestThatIsNotHereIsFetchedFirst() throws {
    var engine = TransferEngine()
    let id = try download(try begin(&engine, size: 90_000_000, manifest: manifestHash))
    engine.manifestRead(id, nil, at: start)
    let second = try question(engine.drain())
    #expect(second.hash == manifestHash)
    // No node has it: the file is fetched in stripes, and only the whole can be verified.
    engine.asked(second.id, [AskedPeer(node: node, topic: topic)], at: start)
    engine.answered(second.id, by: node, .refuses(.notHere), at: start)
    let effects = engine.drain()
    #expect(effects.failure == nil)
    #expect(
      effects.contains {
        if case .download(.prepare(_, let plan)) = $0 {
          plan.pieces.count == 5 && plan.pieces.allSatisfy { $0.hash == nil } && plan.size == 90_000_000
        } else {
          false
        }
      })
  }

  @Test func aManifestOfAnotherFileIsRefused() throws {
    var engine = TransferEngine()
    let id = try download(try begin(&engine, size: 90_000_000, manifest: manifestHash))
    let wrong = Manifest(size: 1, hash: chunkHash, chunkHashes: [chunkHash])
    engine.manifestRead(id, wrong, at: start)
    guard case .falseManifest = engine.drain().failure else { return #expect(Bool(false), "no failure") }
  }

  @Test func aSilentSourceIsGivenUpAfterAWhileAndProgressPutsItOff() throws {
    var engine = TransferEngine()
    let id = try download(try begin(&engine, size: 1_000))
    engine.prepared(id, at: start)
    let fetch = try #require(engine.drain().fetches.first)
    let later = start + .seconds(15)
    engine.received(fetch.id, 10, at: later)
    _ = engine.drain()
    engine.wake(at: start + TransferEngine.silence)
    #expect(engine.drain().isEmpty)
    engine.wake(at: later + TransferEngine.silence)
    #expect(engine.drain().contains { if case .download(.abandon(id, node)) = $0 { true } else { false } })
  }

  @Test func aFullDiskFailsTheLoadAndNotTheSource() throws {
    var engine = TransferEngine()
    let id = try download(try begin(&engine, size: 1_000))
    engine.prepared(id, at: start)
    let fetch = try #require(engine.drain().fetches.first)
    engine.fetched(fetch.id, .storageFailed(KacheryError(.diskFull, "The disk is full.")), at: start)
    let effects = engine.drain()
    guard case .storage(let error) = effects.failure else { return #expect(Bool(false), "no failure") }
    #expect(error.code == .diskFull)
    #expect(!effects.contains { if case .misbehaved = $0 { true } else { false } })
    #expect(effects.contains { if case .download(.discard(id)) = $0 { true } else { false } })
  }

  @Test func nothingIsItsOwnManifest() throws {
    var engine = TransferEngine()
    engine.load(load, FileQuery(key: FileKey(hash: hash)), at: start)
    let question = try question(engine.drain())
    engine.asked(question.id, [AskedPeer(node: node, topic: topic)], at: start)
    engine.answered(question.id, by: node, .has(FindAnswer.File(size: 80_000_000, manifest: hash)), at: start)
    let effects = engine.drain()
    #expect(effects.contains { if case .misbehaved(node, hash) = $0 { true } else { false } })
    guard case .corruptSources([node]) = effects.failure else { return #expect(Bool(false), "no failure") }
  }

  /// The manifest of one file is another file whose manifest is the first: one of them is loaded without.
  @Test func manifestsInACircleAreNotWaitedFor() throws {
    var engine = TransferEngine()
    var ids: [DownloadID] = []
    for (number, file, manifest) in [(UInt64(1), hash, manifestHash), (2, manifestHash, hash)] {
      engine.load(LoadID(number: number), FileQuery(key: FileKey(hash: file, manifest: manifest)), at: start)
      let question = try question(engine.drain())
      engine.asked(question.id, [AskedPeer(node: node, topic: topic)], at: start)
      engine.answered(question.id, by: node, .has(FindAnswer.File(size: 80_000_000)), at: start)
      ids.append(try download(engine.drain()))
    }
    engine.manifestRead(ids[0], nil, at: start)
    _ = engine.drain()
    engine.manifestRead(ids[1], nil, at: start)
    let effects = engine.drain()
    #expect(
      effects.contains { if case .download(.prepare(_, let plan)) = $0 { plan.hash == manifestHash } else { false } })
  }

  // MARK: Claims

  @Test(arguments: [1_000_000_000_000_000, Limits.maximumFileSize] as [UInt64])
  func aHugeClaimCostsNothing(_ size: UInt64) throws {
    var engine = TransferEngine()
    let id = try download(try begin(&engine, size: size))
    engine.prepared(id, at: start)
    let fetch = try #require(engine.drain().fetches.first)
    #expect(fetch.piece.range.count == Limits.chunkSize)
    #expect(engine.progress(of: hash, at: start)?.total == size)
  }

  @Test(arguments: [Limits.maximumFileSize + 1, .max] as [UInt64])
  func anImpossibleClaimIsRefused(_ size: UInt64) throws {
    var engine = TransferEngine()
    let effects = try begin(&engine, size: size)
    #expect(effects.contains { if case .misbehaved(node, hash) = $0 { true } else { false } })
    guard case .corruptSources([node]) = effects.failure else { return #expect(Bool(false), "no failure") }
  }

  /// Two nodes contradict each other: both are asked, and a disk too small for one claim does not end the load.
  @Test func aFullDiskForOneClaimLeavesTheOther() throws {
    var engine = TransferEngine()
    engine.load(load, FileQuery(key: FileKey(hash: hash)), at: start)
    let question = try question(engine.drain())
    engine.asked(question.id, [node, other].map { AskedPeer(node: $0, topic: topic) }, at: start)
    engine.answered(question.id, by: node, .has(FindAnswer.File(size: 100_000_000_000_000)), at: start)
    let huge = try download(engine.drain())
    engine.storageFailed(huge, KacheryError(.diskFull, "The disk is full."), at: start)
    #expect(engine.drain().failure == nil)
    engine.answered(question.id, by: other, .has(FindAnswer.File(size: 1_000)), at: start)
    let id = try download(engine.drain())
    engine.prepared(id, at: start)
    let fetch = try #require(engine.drain().fetches.first)
    engine.fetched(fetch.id, .verified, at: start)
    engine.completed(id, .admitted, at: start)
    let effects = engine.drain()
    #expect(effects.contains { if case .client(.loaded(load)) = $0 { true } else { false } })
    #expect(effects.contains { if case .misbehaved(node, hash) = $0 { true } else { false } })
  }

  /// A manifest that allegedly has a manifest is loaded without it, and one that is too large is not requested.
  @Test func aManifestHasNoManifest() throws {
    var engine = TransferEngine()
    let id = try download(try begin(&engine, size: 90_000_000, manifest: manifestHash))
    engine.manifestRead(id, nil, at: start)
    let second = try question(engine.drain())
    engine.asked(second.id, [node, other].map { AskedPeer(node: $0, topic: topic) }, at: start)
    engine.answered(second.id, by: other, .has(FindAnswer.File(size: Limits.maximumManifestSize + 1)), at: start)
    #expect(engine.drain().isEmpty)
    let claim = FindAnswer.File(size: 30_000_000, manifest: chunkHash)
    engine.answered(second.id, by: node, .has(claim), at: start)
    let effects = engine.drain()
    #expect(
      effects.contains { if case .download(.prepare(_, let plan)) = $0 { plan.hash == manifestHash } else { false } })
    #expect(!effects.contains { if case .download(.readManifest) = $0 { true } else { false } })
  }

  // MARK: Losses

  /// Half of a piece arrived from one node, and the rest arrives from another.
  @Test func theReceivedPartOfAPieceIsKeptWhenTheLinkIsLost() throws {
    var engine = TransferEngine()
    let id = try download(try begin(&engine, size: 1_000))
    engine.prepared(id, at: start)
    let first = try #require(engine.drain().fetches.first)
    engine.received(first.id, 400, at: start)
    engine.peerLeft(node, at: start)
    let question = try question(engine.drain())
    engine.asked(question.id, [AskedPeer(node: other, topic: topic)], at: start)
    engine.answered(question.id, by: other, .has(FindAnswer.File(size: 1_000)), at: start)
    let second = try #require(engine.drain().fetches.first)
    #expect(second.kept == 400 && second.range == ByteRange(start: 400, end: 1_000))
    // Which node sent wrong bytes is unknown, so all of it is fetched from one node.
    engine.fetched(second.id, .hashMismatch, at: start)
    let effects = engine.drain()
    #expect(!effects.contains { if case .misbehaved = $0 { true } else { false } })
    let third = try #require(effects.fetches.first)
    #expect(third.kept == 0 && third.source.node == other)
    engine.fetched(third.id, .hashMismatch, at: start)
    #expect(engine.drain().contains { if case .misbehaved(other, hash) = $0 { true } else { false } })
  }

  /// As long as some bytes arrive between two losses, the source may be lost again and again.
  @Test func aSourceThatReturnsContinuesUntilNothingComes() throws {
    var engine = TransferEngine()
    var effects = try begin(&engine, size: 1_000)
    let id = try download(effects)
    engine.prepared(id, at: start)
    effects = engine.drain()
    var now = start
    for loss in 1...10 as ClosedRange<UInt64> {
      let fetch = try #require(effects.fetches.first)
      engine.received(fetch.id, loss * 50, at: now)
      engine.peerLeft(node, at: now)
      let question = try question(engine.drain())
      engine.asked(question.id, [], at: now)
      now = now + .seconds(10)
      engine.wake(at: now)
      #expect(engine.drain().failure == nil)
      engine.asked(question.id, [AskedPeer(node: node, topic: topic)], at: now)
      engine.answered(question.id, by: node, .has(FindAnswer.File(size: 1_000)), at: now)
      effects = engine.drain()
    }
    // Nothing more has arrived: the running search is the last.
    engine.peerLeft(node, at: now)
    let last = engine.drain()
    #expect(last.failure == nil && !last.contains { if case .ask = $0 { true } else { false } })
    engine.wake(at: now + TransferEngine.returnTime)
    guard case .lostSources = engine.drain().failure else { return #expect(Bool(false), "it waits forever") }
  }

  @Test func anEmptyFileIsOneEmptyPiece() throws {
    var engine = TransferEngine()
    let id = try download(try begin(&engine, size: 0))
    engine.prepared(id, at: start)
    let fetch = try #require(engine.drain().fetches.first)
    #expect(fetch.piece.range.isEmpty)
    engine.fetched(fetch.id, .verified, at: start)
    #expect(engine.drain().contains { if case .download(.complete(id)) = $0 { true } else { false } })
    engine.completed(id, .admitted, at: start)
    #expect(engine.drain().contains { if case .client(.loaded(load)) = $0 { true } else { false } })
    #expect(engine.wakeAt == nil)
  }
}
