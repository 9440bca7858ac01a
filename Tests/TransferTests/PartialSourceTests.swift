import Primitives
import TestSupport
import Testing
import Transfer
import Wire

/// The engine with sources that are still loading the file themselves.
@Suite struct PartialSourceTests {
  private let start = Instant(nanoseconds: 0)
  private let load = LoadID(number: 1)
  private let hash: ContentHash = .filled(with: 1)
  private let manifestHash: ContentHash = .filled(with: 2)
  private let otherHash: ContentHash = .filled(with: 3)
  private let whole: NodeID = .filled(with: 4)
  private let partial: NodeID = .filled(with: 5)
  private let stranger: NodeID = .filled(with: 6)
  private let topic: Topic = .filled(with: 7)

  /// The engine of a node whose ID sorts before or after that of the partial source.
  private func engine(isFirst: Bool = true) throws -> TransferEngine {
    let bytes = [UInt8](repeating: isFirst ? 0 : 0xff, count: NodeID.byteCount)
    let node = try #require(NodeID(bytes: bytes))
    return TransferEngine(manifestThreshold: 10, node: node)
  }

  /// The node that each piece was requested from, by index.
  private func asked(_ effects: [TransferEffect]) -> [(node: NodeID, place: Int, id: FetchID)] {
    effects.fetches.map { ($0.source.node, Int($0.piece.range.start / 10), $0.id) }
  }

  private func chunks(_ places: [Int], of count: Int = 6) -> ChunkSet {
    var set = ChunkSet(of: count)
    for place in places { set.insert(place) }
    return set
  }

  private func part(_ places: [Int], manifest: ContentHash? = nil) -> FindAnswer.Outcome {
    .has(FindAnswer.File(size: 60, manifest: manifest ?? manifestHash, chunks: chunks(places)))
  }

  /// A load of six pieces that has found these sources; returns its requests.
  private func begin(
    _ engine: inout TransferEngine, _ answers: [(NodeID, FindAnswer.Outcome)]
  ) throws -> [TransferEffect] {
    engine.load(load, FileQuery(key: FileKey(hash: hash, manifest: manifestHash)), at: start)
    let question = try #require(engine.drain().questions.first)
    engine.asked(question.id, answers.map { AskedPeer(node: $0.0, topic: topic) }, at: start)
    for (node, outcome) in answers { engine.answered(question.id, by: node, outcome, at: start) }
    let hashes = try (0..<6).map { try #require(ContentHash(bytes: [UInt8](repeating: 10 + $0, count: 20))) }
    let effects = engine.drain()
    guard let id = effects.compactMap({ if case .download(.readManifest(let id, _, _)) = $0 { id } else { nil } }).first
    else {
      return effects
    }
    engine.manifestRead(id, Manifest(size: 60, hash: hash, chunkSize: 10, chunkHashes: hashes), at: start)
    engine.prepared(id, at: start)
    return engine.drain()
  }

  @Test func aPartialSourceIsAskedOnlyForWhatItHas() throws {
    var engine = try engine()
    var now = start
    var fetches = asked(try begin(&engine, [(partial, part([2, 4]))]))
    var places: [Int] = []
    while let next = fetches.first {
      #expect(next.node == partial)
      places.append(next.place)
      now = now + .milliseconds(10)
      engine.fetched(next.id, .verified, at: now)
      fetches = asked(engine.drain())
    }
    #expect(places == [2, 4])
  }

  @Test func aPartialSourceIsAskedAgainForItsChunks() throws {
    var engine = try engine()
    let first = try #require(asked(try begin(&engine, [(partial, part([1]))])).first)
    engine.fetched(first.id, .verified, at: start)
    #expect(asked(engine.drain()).isEmpty)
    let due = try #require(engine.wakeAt)
    #expect(due - start <= .seconds(2))
    engine.wake(at: due)
    let question = try #require(engine.drain().questions.first)
    #expect(question.node == partial && question.hash == hash)
    engine.asked(question.id, [AskedPeer(node: partial, topic: topic)], at: due)
    engine.answered(question.id, by: partial, part([1, 3]), at: due)
    let second = asked(engine.drain())
    #expect(second.map(\.place) == [3])
    engine.fetched(try #require(second.first).id, .verified, at: due)
    engine.wake(at: due + .seconds(2))
    let again = try #require(engine.drain().questions.first)
    engine.asked(again.id, [AskedPeer(node: partial, topic: topic)], at: due + .seconds(2))
    let file = FindAnswer.Outcome.has(FindAnswer.File(size: 60, manifest: manifestHash))
    engine.answered(again.id, by: partial, file, at: due + .seconds(2))
    #expect(asked(engine.drain()).map(\.place) == [0])
  }

  /// Of two nodes that load together, the one with the smaller ID requests the first half from a source that has the
  /// whole file.
  @Test(arguments: [true, false])
  func eachBeginsSomewhereElse(isFirst: Bool) throws {
    var engine = try engine(isFirst: isFirst)
    let file = FindAnswer.Outcome.has(FindAnswer.File(size: 60, manifest: manifestHash))
    let fetches = asked(try begin(&engine, [(whole, file), (partial, part([]))]))
    #expect(fetches.map(\.place) == [isFirst ? 0 : 3])
    #expect(fetches.map(\.node) == [whole])
  }

  @Test func whatOthersHaveIsLeftToThem() throws {
    var engine = try engine()
    let file = FindAnswer.Outcome.has(FindAnswer.File(size: 60, manifest: manifestHash))
    let fetches = asked(try begin(&engine, [(whole, file), (partial, part([0, 1]))]))
    #expect(fetches.first { $0.node == whole }?.place == 2)
    #expect(fetches.first { $0.node == partial }?.place == 0)
  }

  @Test func aNodeThatWantsTheSameFileIsQueried() throws {
    var engine = try engine()
    let file = FindAnswer.Outcome.has(FindAnswer.File(size: 60, manifest: manifestHash))
    _ = try begin(&engine, [(whole, file)])
    let before = engine.wakeAt
    engine.wanted(otherHash, by: stranger, at: start)
    #expect(engine.wakeAt == before)
    engine.wanted(hash, by: stranger, at: start)
    let due = try #require(engine.wakeAt)
    engine.wake(at: due)
    #expect(engine.drain().questions.map(\.node) == [stranger])
    // Once for each time that it asks.
    engine.wake(at: due + .seconds(5))
    #expect(engine.drain().questions.isEmpty)
  }

  /// The file was removed there, or the load was cancelled.
  @Test func aRefusalSendsThePieceElsewhere() throws {
    var engine = try engine()
    let file = FindAnswer.Outcome.has(FindAnswer.File(size: 60, manifest: manifestHash))
    let fetches = asked(try begin(&engine, [(whole, file), (partial, part([0, 1]))]))
    let own = try #require(fetches.first { $0.node == whole })
    engine.fetched(try #require(fetches.first { $0.node == partial }).id, .refused(.notHere), at: start)
    engine.fetched(own.id, .verified, at: start + .milliseconds(5))
    let next = try #require(asked(engine.drain()).last)
    #expect(next.node == whole && next.place == 0)
  }

  @Test func chunksThatTheFileCannotHaveAreIgnored() throws {
    for answer in [
      FindAnswer.File(size: 60, manifest: manifestHash, chunks: ChunkSet(bytes: [0xff])),
      FindAnswer.File(size: 60, manifest: manifestHash, chunks: ChunkSet(bytes: [0xf0, 0])),
      FindAnswer.File(size: 60, manifest: otherHash, chunks: chunks([0, 1, 2, 3, 4, 5])),
      FindAnswer.File(size: 61, manifest: manifestHash, chunks: chunks([0, 1, 2, 3, 4, 5])),
    ] {
      var engine = try engine()
      let effects = try begin(&engine, [(partial, .has(answer))])
      #expect(asked(effects).isEmpty, "\(answer)")
      let hasFailed = effects.contains { if case .failed = $0 { true } else { false } }
      #expect(hasFailed, "\(answer)")
    }
  }

  @Test func sourcesThatNeverGetWhatIsMissingAreGivenUp() throws {
    var engine = try engine()
    var effects = try begin(&engine, [(partial, part([]))])
    #expect(asked(effects).isEmpty)
    var now = start
    var hasFailed = false
    while let due = engine.wakeAt, due < start + .seconds(300) {
      now = max(now, due)
      engine.wake(at: now)
      effects = engine.drain()
      for question in effects.questions {
        engine.asked(question.id, [AskedPeer(node: partial, topic: topic)], at: now)
        engine.answered(question.id, by: partial, part([]), at: now)
      }
      hasFailed = hasFailed || effects.contains { if case .failed = $0 { true } else { false } }
    }
    #expect(hasFailed)
    #expect(now - start >= TransferEngine.starvation)
  }
}
