import Crypto
import Primitives
import TestSupport
import Testing
import Transfer

/// The laws of a content store, on disk and in memory.
@Suite struct StoreConformanceTests {
  enum Kind: CaseIterable {
    case memory, disk

    func make() throws -> any ReceivingStore {
      switch self {
      case .memory: MemoryStore()
      case .disk: try DiskStore()
      }
    }
  }

  /// A file of ten pieces, the last one short.
  private let bytes = PatternBytes.make(9_500)
  private var hash: ContentHash { .of(bytes) }

  private func plan(claiming hash: ContentHash? = nil) throws -> DownloadPlan {
    let claimed = hash ?? self.hash
    let manifest = MemoryStore.manifest(of: bytes, chunkSize: 1_000, claiming: claimed)
    return try #require(DownloadPlan(hash: claimed, manifest: manifest, named: .of(manifest.bytes)))
  }

  private func content(_ piece: Piece) -> [UInt8] { Array(bytes[Int(piece.range.start)..<Int(piece.range.end)]) }

  private func download(_ number: UInt64) -> DownloadID { DownloadID(number: number) }

  private func isAdmitted(_ outcome: CompletionOutcome) -> Bool { if case .admitted = outcome { true } else { false } }

  // MARK: Whole files

  @Test(arguments: Kind.allCases, [0, 1, 100_000])
  func whatIsStoredIsThereUntilItIsRemoved(kind: Kind, size: Int) throws {
    var store = try kind.make()
    let bytes = PatternBytes.make(size)
    let absent = try store.content(.of(bytes))
    #expect(absent == nil)
    let hash = try store.store(bytes)
    let again = try store.store(bytes)
    #expect(hash == .of(bytes) && again == hash)
    #expect(try store.content(hash) == bytes)
    try store.remove(hash)
    #expect(try store.content(hash) == nil)
  }

  /// It is never served, whatever else happens; a download replaces it with a whole copy.
  @Test(arguments: Kind.allCases, 0..<4)
  func whatIsAlteredIsNotGivenAndCanBeLoadedAgain(kind: Kind, seed: UInt64) throws {
    var store = try kind.make()
    let hash = try store.store(bytes)
    try store.alter(hash)
    let given = (try? store.content(hash)) ?? nil
    #expect(given == nil)
    let plan = try plan()
    var random = SeededRandom(seed: seed)
    _ = try store.begin(download(1), plan)
    for piece in plan.pieces.shuffled(using: &random) { _ = try store.add(content(piece), piece, to: download(1)) }
    let outcome = store.finish(download(1))
    #expect(isAdmitted(outcome), "seed \(seed)")
    #expect(try store.content(hash) == bytes, "seed \(seed)")
  }

  // MARK: Receiving

  @Test(arguments: Kind.allCases, [Array(0..<10), [9, 8, 7, 6, 5, 4, 3, 2, 1, 0], [3, 0, 9, 1, 7, 2, 5, 4, 8, 6]])
  func piecesMayComeInAnyOrder(kind: Kind, order: [Int]) throws {
    var store = try kind.make()
    let plan = try plan()
    #expect(try store.begin(download(1), plan) == [])
    for index in order {
      #expect(try store.content(hash) == nil)
      let isTaken = try store.add(content(plan.pieces[index]), plan.pieces[index], to: download(1))
      #expect(isTaken)
    }
    let outcome = store.finish(download(1))
    #expect(isAdmitted(outcome))
    #expect(try store.content(hash) == bytes)
    store.end(download(1))
    #expect(try store.content(hash) == bytes)
  }

  @Test(arguments: Kind.allCases, [2_000, 9_500, 10_000])
  func aFileOfWhichOnlyTheHashIsKnownIsOnePieceOrStripes(kind: Kind, stripe: UInt64) throws {
    var store = try kind.make()
    let plan = DownloadPlan(hash: hash, size: 9_500, stripe: stripe)
    _ = try store.begin(download(1), plan)
    for piece in plan.pieces { _ = try store.add(content(piece), piece, to: download(1)) }
    let outcome = store.finish(download(1))
    #expect(isAdmitted(outcome))
    #expect(try store.content(hash) == bytes)
  }

  @Test(arguments: Kind.allCases)
  func anEmptyFileIsOneEmptyPiece(kind: Kind) throws {
    var store = try kind.make()
    let plan = DownloadPlan(hash: .of([]), size: 0, stripe: 1_000)
    _ = try store.begin(download(1), plan)
    _ = try store.add([], plan.pieces[0], to: download(1))
    let outcome = store.finish(download(1))
    #expect(isAdmitted(outcome))
    #expect(try store.content(.of([])) == [])
  }

  /// It is rejected on arrival, unlike the other pieces, and can be received again.
  @Test(arguments: Kind.allCases, Array(0..<10))
  func aDamagedPieceIsFoundAndCanComeAgain(kind: Kind, damaged: Int) throws {
    var store = try kind.make()
    let plan = try plan()
    _ = try store.begin(download(1), plan)
    var missing: [ByteRange] = []
    for (index, piece) in plan.pieces.enumerated() {
      var bytes = content(piece)
      if index == damaged { bytes[7] ^= 0x10 }
      if try !store.add(bytes, piece, to: download(1)) { missing.append(piece.range) }
    }
    #expect(missing == [plan.pieces[damaged].range])
    #expect(try store.content(hash) == nil)
    let isTaken = try store.add(content(plan.pieces[damaged]), plan.pieces[damaged], to: download(1))
    #expect(isTaken)
    let outcome = store.finish(download(1))
    #expect(isAdmitted(outcome))
    #expect(try store.content(hash) == bytes)
  }

  @Test(arguments: Kind.allCases)
  func aPieceThatIsHereIsNotTakenAgain(kind: Kind) throws {
    var store = try kind.make()
    let plan = try plan()
    _ = try store.begin(download(1), plan)
    for piece in plan.pieces { _ = try store.add(content(piece), piece, to: download(1)) }
    for piece in plan.pieces {
      let isTaken = try store.add([UInt8](repeating: 0, count: Int(piece.range.count)), piece, to: download(1))
      #expect(!isTaken)
    }
    let outcome = store.finish(download(1))
    #expect(isAdmitted(outcome))
  }

  @Test(arguments: Kind.allCases)
  func aFileWithAPieceMissingIsNotAdmitted(kind: Kind) throws {
    var store = try kind.make()
    let plan = try plan()
    _ = try store.begin(download(1), plan)
    for piece in plan.pieces.dropLast() { _ = try store.add(content(piece), piece, to: download(1)) }
    let outcome = store.finish(download(1))
    #expect(!isAdmitted(outcome))
    #expect(try store.content(hash) == nil)
  }

  /// A manifest with correct pieces but another file as a whole: nothing of it may be kept.
  @Test(arguments: Kind.allCases)
  func aFalseManifestIsDetectedAndNothingKept(kind: Kind) throws {
    var store = try kind.make()
    let other = ContentHash.of([1, 2, 3])
    let plan = try plan(claiming: other)
    _ = try store.begin(download(1), plan)
    for piece in plan.pieces { _ = try store.add(content(piece), piece, to: download(1)) }
    guard case .failed(let error) = store.finish(download(1)) else {
      throw KacheryError(.internalError, "Believed it.")
    }
    #expect(error.code == .hashMismatch)
    store.end(download(1))
    #expect(try store.content(other) == nil)
    #expect(try store.begin(download(2), plan) == [])
  }

  // MARK: Resuming

  @Test(arguments: Kind.allCases, [[0], [0, 1, 2], [5, 2], Array(0..<10)])
  func whatWasVerifiedIsKeptForLater(kind: Kind, first: [Int]) throws {
    var store = try kind.make()
    let plan = try plan()
    _ = try store.begin(download(1), plan)
    for index in first { _ = try store.add(content(plan.pieces[index]), plan.pieces[index], to: download(1)) }
    store.end(download(1))
    let kept = try store.begin(download(2), plan)
    #expect(kept == Set(first))
    for index in plan.pieces.indices where !kept.contains(index) {
      _ = try store.add(content(plan.pieces[index]), plan.pieces[index], to: download(2))
    }
    let outcome = store.finish(download(2))
    #expect(isAdmitted(outcome))
    #expect(try store.content(hash) == bytes)
  }

  /// Pieces that only the whole file could verify are worthless without it.
  @Test(arguments: Kind.allCases)
  func stripesAreNotKept(kind: Kind) throws {
    var store = try kind.make()
    let plan = DownloadPlan(hash: hash, size: 9_500, stripe: 1_000)
    _ = try store.begin(download(1), plan)
    for piece in plan.pieces.dropLast() { _ = try store.add(content(piece), piece, to: download(1)) }
    store.end(download(1))
    #expect(try store.begin(download(2), plan) == [])
  }

  // MARK: Random sequences

  /// Sessions that receive right and wrong pieces and end in random ways: stored and kept bytes are right, and in the
  /// end the file is complete.
  @Test(arguments: Kind.allCases, [UInt64](1...60))
  func anySequenceOfSessionsKeepsTheLaws(kind: Kind, seed: UInt64) throws {
    var random = SeededRandom(seed: seed)
    var store = try kind.make()
    let plan = try plan()
    let kept = try store.store([9, 9, 9])
    for session in 1...UInt64(2 + random.next() % 4) {
      var present = try store.begin(download(session), plan)
      for _ in 0..<random.next() % 15 {
        let index = Int(random.next() % 10)
        var bytes = content(plan.pieces[index])
        if random.next() % 4 == 0 { bytes[Int(random.next() % UInt64(bytes.count))] ^= 1 }
        let isTaken = try store.add(bytes, plan.pieces[index], to: download(session))
        #expect(!isTaken || !present.contains(index), "seed \(seed)")
        if isTaken { present.insert(index) }
        if random.next() % 5 == 0 { try checkShared(&store, session, plan, seed) }
      }
      try checkShared(&store, session, plan, seed)
      if random.next() % 3 == 0 { _ = store.finish(download(session)) }
      store.end(download(session))
      let content = try store.content(hash)
      #expect(content == nil || content == bytes, "seed \(seed)")
    }
    try complete(&store, plan, seed)
    #expect(try store.content(hash) == bytes, "seed \(seed)")
    #expect(try store.content(kept) == [9, 9, 9], "seed \(seed)")
  }

  /// Other nodes get only right bytes.
  private func checkShared(_ store: inout any ReceivingStore, _ id: UInt64, _ plan: DownloadPlan, _ seed: UInt64) throws
  {
    let places = store.sharedPlaces(download(id))
    for index in plan.pieces.indices {
      let piece = try store.shared(download(id), plan.pieces[index].range)
      #expect((piece != nil) == (places?.contains(index) ?? false), "seed \(seed)")
      if let piece { #expect(piece == content(plan.pieces[index]), "seed \(seed)") }
    }
  }

  @Test(arguments: Kind.allCases)
  func allThatHasArrivedIsShared(kind: Kind) throws {
    var store = try kind.make()
    let plan = try plan()
    _ = try store.begin(download(1), plan)
    for index in 0..<9 { _ = try store.add(content(plan.pieces[index]), plan.pieces[index], to: download(1)) }
    #expect(store.sharedPlaces(download(1))?.count == 9)
    let isLastThere = try store.shared(download(1), plan.pieces[9].range) != nil
    #expect(!isLastThere)
    _ = store.finish(download(1))
    store.end(download(1))
    #expect(store.sharedPlaces(download(1)) == nil)
  }

  private func complete(_ store: inout any ReceivingStore, _ plan: DownloadPlan, _ seed: UInt64) throws {
    guard try store.content(hash) == nil else { return }
    let present = try store.begin(download(1_000), plan)
    for index in plan.pieces.indices where !present.contains(index) {
      let isTaken = try store.add(content(plan.pieces[index]), plan.pieces[index], to: download(1_000))
      #expect(isTaken, "seed \(seed)")
    }
    // Everything kept is right, so nothing can be damaged anymore.
    let outcome = store.finish(download(1_000))
    #expect(isAdmitted(outcome), "seed \(seed)")
    store.end(download(1_000))
  }
}
