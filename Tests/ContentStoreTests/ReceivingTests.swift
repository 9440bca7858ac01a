import ContentStore
import Crypto
import Files
import Glibc
import Primitives
import TestSupport
import Testing

@Suite struct ReceivingTests {
  let fixture: StoreFixture
  var store: ContentStore { fixture.store }
  let content = PatternBytes.make(1_000_000)
  let chunks: [Manifest.Chunk]
  var hash: ContentHash { ContentHash.of(content) }

  init() throws {
    fixture = try StoreFixture()
    chunks = Self.chunks(of: content)
  }

  static func chunks(of content: [UInt8]) -> [Manifest.Chunk] {
    stride(from: 0, to: content.count, by: 300_000).compactMap { start in
      let end = min(start + 300_000, content.count)
      return ByteRange(start: UInt64(start), end: UInt64(end)).map {
        Manifest.Chunk(range: $0, hash: ContentHash.of(content[start..<end]))
      }
    }
  }

  private func receive(_ chunk: Manifest.Chunk, _ file: IncomingFile) throws {
    let incoming = try file.beginChunk(chunk.range, expected: chunk.hash)
    try append(chunk.range, to: incoming)
    try incoming.finish()
  }

  /// Appends the right bytes in pieces, as they arrive from a socket.
  private func append(_ range: ByteRange, to chunk: IncomingChunk) throws {
    for start in stride(from: Int(range.start), to: Int(range.end), by: 65_521) {
      let end = min(start + 65_521, Int(range.end))
      try content.withUnsafeBytes { try chunk.append(UnsafeRawBufferPointer(rebasing: $0[start..<end])) }
    }
  }

  private func expectAdmitted(_ file: StoredFile) throws {
    #expect(file.path == fixture.path(hash))
    #expect(try FileSystem.read(file.path, limit: content.count) == content)
    #expect(try FileSystem.status(file.path).permissions == 0o444)
    #expect(try fixture.leftovers() == [])
  }

  @Test(arguments: [[0, 1, 2, 3], [3, 2, 1, 0], [1, 0, 3, 2], [0, 2, 1, 3]])
  func chunksMayCompleteInAnyOrder(order: [Int]) throws {
    let file = try store.beginReceive(hash, size: 1_000_000)
    for index in order { try receive(chunks[index], file) }
    #expect(file.arrivedBytes == 1_000_000)
    try expectAdmitted(try file.finish())
  }

  @Test func severalChunksMayArriveConcurrently() throws {
    let file = try store.beginReceive(hash, size: 1_000_000)
    let open = try chunks.map { try file.beginChunk($0.range, expected: $0.hash) }
    for start in stride(from: 0, to: 300_000, by: 10_000) {
      for chunk in open.reversed() {
        let from = Int(chunk.range.start) + start
        guard from < Int(chunk.range.end) else { continue }
        try content.withUnsafeBytes { try chunk.append(UnsafeRawBufferPointer(rebasing: $0[from..<from + 10_000])) }
      }
    }
    for chunk in open { try chunk.finish() }
    try expectAdmitted(try file.finish())
  }

  @Test func bytesMayBeSavedBeforeTheEnd() throws {
    let file = try store.beginReceive(hash, size: 1_000_000)
    for chunk in chunks {
      try receive(chunk, file)
      try file.saveEarly()
    }
    try expectAdmitted(try file.finish())
  }

  /// The system reports a failed write in the background once: a later sync of the same file succeeds.
  @Test func aFileThatCouldNotBeSavedIsNotAdmitted() throws {
    let size = 17_000_000
    let content = PatternBytes.make(size)
    let hash = ContentHash.of(content)
    let file = try store.beginReceive(hash, size: UInt64(size))
    let chunk = try file.beginChunk(ByteRange(whole: UInt64(size)), expected: hash)
    try content.withUnsafeBytes { try chunk.append($0) }
    try chunk.finish()
    FileFault.$current.withValue(FileFault(at: 1, errno: EIO, .recovers)) {
      #expect(throws: KacheryError.self) { try file.saveEarly() }
    }
    #expect(throws: KacheryError.self) { try file.finish() }
    #expect(try store.find(hash) == nil)
  }

  @Test func aFileWithoutManifestIsOneChunk() throws {
    let file = try store.beginReceive(hash, size: 1_000_000)
    try receive(Manifest.Chunk(range: ByteRange(whole: 1_000_000), hash: hash), file)
    try expectAdmitted(try file.finish())
  }

  @Test func anEmptyFileNeedsNoBytes() throws {
    let empty = ContentHash.of([])
    let file = try store.beginReceive(empty, size: 0)
    try file.beginChunk(ByteRange(whole: 0), expected: empty).finish()
    #expect(try file.finish().size == 0)
    #expect(try store.find(empty)?.size == 0)
  }

  @Test(arguments: [0, 1, 3])
  func aBadChunkIsRefusedAndCanComeAgain(bad: Int) throws {
    let file = try store.beginReceive(hash, size: 1_000_000)
    for index in 0..<bad { try receive(chunks[index], file) }
    let chunk = try file.beginChunk(chunks[bad].range, expected: chunks[bad].hash)
    try append(ByteRange(start: chunk.range.start, end: chunk.range.end - 1) ?? chunk.range, to: chunk)
    try withUnsafeBytes(of: UInt8(0xee)) { try chunk.append($0) }
    #expect(#expect(throws: KacheryError.self) { try chunk.finish() }?.code == .hashMismatch)
    #expect(throws: KacheryError.self) { try chunk.finish() }
    for index in bad..<chunks.count { try receive(chunks[index], file) }
    try expectAdmitted(try file.finish())
  }

  /// Receives the chunk with its last byte changed.
  private func receiveDamaged(_ chunk: Manifest.Chunk, _ file: IncomingFile) throws {
    let incoming = try file.beginChunk(chunk.range, expected: chunk.hash)
    try append(ByteRange(start: chunk.range.start, end: chunk.range.end - 1) ?? chunk.range, to: incoming)
    try withUnsafeBytes(of: content[Int(chunk.range.end) - 1] ^ 1) { try incoming.append($0) }
    try incoming.finish()
  }

  /// In any order of arrival, whether or not a chunk can be hashed into the digest of the whole immediately.
  @Test(arguments: [[0, 1, 2, 3], [3, 2, 1, 0], [0, 2, 1, 3]])
  func eachDamagedChunkIsFoundAsItArrives(order: [Int]) throws {
    let file = try store.beginReceive(hash, size: 1_000_000, chunks: chunks)
    for index in order {
      #expect(#expect(throws: KacheryError.self) { try receiveDamaged(chunks[index], file) }?.code == .hashMismatch)
      try receive(chunks[index], file)
    }
    #expect(file.arrivedBytes == 1_000_000)
    try expectAdmitted(try file.finish())
  }

  /// The chunk is abandoned after its last byte was hashed and before it is accepted.
  @Test func aChunkGivenUpAtItsEndCanComeAgain() throws {
    let file = try store.beginReceive(hash, size: 1_000_000, chunks: chunks)
    try receive(chunks[0], file)
    // As in a file without a manifest: nothing shows that the bytes are wrong.
    let chunk = try file.beginChunk(chunks[1].range, expected: nil)
    try [UInt8](repeating: 9, count: 300_000).withUnsafeBytes { try chunk.append($0) }
    try chunk.endDigest()
    chunk.abandon()
    #expect(#expect(throws: KacheryError.self) { try chunk.accept() }?.code == .cancelled)
    for index in 1...3 { try receive(chunks[index], file) }
    try expectAdmitted(try file.finish())
  }

  @Test func writingAndHashingMayGoOnBesideEachOther() async throws {
    let file = try store.beginReceive(hash, size: 1_000_000, chunks: chunks)
    for part in chunks {
      let chunk = try file.beginChunk(part.range, expected: part.hash)
      let bytes = content[Int(part.range.start)..<Int(part.range.end)]
      try await withThrowingTaskGroup { group in
        group.addTask { try bytes.withUnsafeBytes { try chunk.write($0) } }
        group.addTask { try bytes.withUnsafeBytes { try chunk.digest($0) } }
        try await group.waitForAll()
      }
      #expect(chunk.received == part.range.count)
      try chunk.finish()
    }
    try expectAdmitted(try file.finish())
  }

  @Test func aBadWholeFileIsRefused() throws {
    let file = try store.beginReceive(hash, size: 1_000_000)
    let chunk = try file.beginChunk(ByteRange(whole: 1_000_000), expected: hash)
    try [UInt8](repeating: 1, count: 1_000_000).withUnsafeBytes { try chunk.append($0) }
    #expect(#expect(throws: KacheryError.self) { try chunk.finish() }?.code == .hashMismatch)
    try receive(Manifest.Chunk(range: ByteRange(whole: 1_000_000), hash: hash), file)
    try expectAdmitted(try file.finish())
  }

  @Test func aChunkGivenUpHalfwayCanComeAgain() throws {
    let file = try store.beginReceive(hash, size: 1_000_000)
    try receive(chunks[1], file)
    let chunk = try file.beginChunk(chunks[0].range, expected: chunks[0].hash)
    try append(ByteRange(whole: 100_000), to: chunk)
    #expect(chunk.received == 100_000)
    #expect(#expect(throws: KacheryError.self) { try chunk.finish() }?.code == .disconnected)
    for index in [0, 2, 3] { try receive(chunks[index], file) }
    try expectAdmitted(try file.finish())
  }

  /// The link broke halfway, and another node sends the rest.
  @Test(arguments: [true, false])
  func aChunkContinuesWhereAnEarlierOneStopped(isVerified: Bool) throws {
    let file = try store.beginReceive(hash, size: 1_000_000)
    for index in [0, 2, 1, 3] {
      let (range, expected) = (chunks[index].range, isVerified ? chunks[index].hash : nil)
      let first = try file.beginChunk(range, expected: expected)
      let half = try #require(ByteRange(start: range.start, end: range.start + 50_000))
      try append(half, to: first)
      first.abandon()
      let second = try file.beginChunk(range, expected: expected, after: 50_000)
      #expect(second.received == 50_000)
      try append(try #require(ByteRange(start: half.end, end: range.end)), to: second)
      try second.finish()
    }
    try expectAdmitted(try file.finish())
  }

  @Test func wrongBytesThatWereKeptAreNoticed() throws {
    let file = try store.beginReceive(hash, size: 1_000_000)
    let range = chunks[1].range
    let first = try file.beginChunk(range, expected: chunks[1].hash)
    try [UInt8](repeating: 7, count: 1_000).withUnsafeBytes { try first.append($0) }
    first.abandon()
    let second = try file.beginChunk(range, expected: chunks[1].hash, after: 1_000)
    try append(try #require(ByteRange(start: range.start + 1_000, end: range.end)), to: second)
    #expect(#expect(throws: KacheryError.self) { try second.finish() }?.code == .hashMismatch)
    for chunk in chunks { try receive(chunk, file) }
    try expectAdmitted(try file.finish())
  }

  /// A second node is asked for the chunk that the first one is late with.
  @Test(arguments: [0, 1])
  func aSpareChunkTakesThePlaceOfALateOne(index: Int) throws {
    let file = try store.beginReceive(hash, size: 1_000_000)
    let (range, expected) = (chunks[index].range, chunks[index].hash)
    let late = try file.beginChunk(range, expected: expected)
    try append(try #require(ByteRange(start: range.start, end: range.start + 9)), to: late)
    let spare = try file.beginSpareChunk(range, expected: expected)
    let slower = try file.beginSpareChunk(range, expected: expected)
    try append(range, to: spare)
    try append(range, to: slower)
    try spare.finish()
    #expect(file.hasArrived(range) && spare.isAccepted)
    #expect(throws: KacheryError.self) { try content.withUnsafeBytes { try late.append($0) } }
    #expect(#expect(throws: KacheryError.self) { try slower.finish() }?.code == .cancelled)
    for other in chunks.indices where other != index { try receive(chunks[other], file) }
    try expectAdmitted(try file.finish())
  }

  @Test func aSpareChunkThatIsTooLateChangesNothing() throws {
    let file = try store.beginReceive(hash, size: 1_000_000)
    let spare = try file.beginSpareChunk(chunks[0].range, expected: nil)
    try [UInt8](repeating: 7, count: 300_000).withUnsafeBytes { try spare.append($0) }
    for chunk in chunks { try receive(chunk, file) }
    #expect(throws: KacheryError.self) { try spare.finish() }
    try expectAdmitted(try file.finish())
  }

  /// One thread accepts the chunk while another abandons it and requests it again: it is then present, and the caller
  /// can see that before it begins again.
  @Test func aChunkThatIsGivenUpAsItIsAcceptedIsHereOrNot() async throws {
    for _ in 0..<50 {
      let file = try store.beginReceive(hash, size: 1_000_000)
      let chunk = try file.beginChunk(chunks[0].range, expected: chunks[0].hash)
      try append(chunks[0].range, to: chunk)
      try chunk.endDigest()
      await withTaskGroup(of: Void.self) { group in
        group.addTask { try? chunk.accept() }
        group.addTask { chunk.abandon() }
      }
      #expect(file.hasArrived(chunks[0].range) == chunk.isAccepted)
      if file.hasArrived(chunks[0].range) {
        let error = #expect(throws: KacheryError.self) {
          _ = try file.beginChunk(chunks[0].range, expected: chunks[0].hash)
        }
        #expect(error?.code == .alreadyRunning)
      } else {
        try receive(chunks[0], file)
      }
      file.discard()
    }
  }

  @Test func aFalseManifestIsDetectedByTheWholeFile() throws {
    let other = ContentHash.of([7])
    let file = try store.beginReceive(other, size: 1_000_000, chunks: chunks)
    for chunk in chunks { try receive(chunk, file) }
    #expect(#expect(throws: KacheryError.self) { try file.finish() }?.code == .hashMismatch)
    #expect(try store.find(other) == nil)
    #expect(try fixture.leftovers() == [])
  }

  @Test func refusesWhatDoesNotFit() throws {
    let file = try store.beginReceive(hash, size: 1_000_000)
    let past = try #require(ByteRange(start: 999_999, end: 1_000_001))
    #expect(throws: KacheryError.self) { try file.beginChunk(past, expected: hash) }
    try receive(chunks[0], file)
    let overlapping = try #require(ByteRange(start: 299_999, end: 400_000))
    #expect(throws: KacheryError.self) { try file.beginChunk(overlapping, expected: hash) }
    let chunk = try file.beginChunk(chunks[1].range, expected: chunks[1].hash)
    #expect(throws: KacheryError.self) { try file.beginChunk(chunks[1].range, expected: chunks[1].hash) }
    let tooMuch = [UInt8](repeating: 0, count: 300_001)
    let error = #expect(throws: KacheryError.self) { try tooMuch.withUnsafeBytes { try chunk.append($0) } }
    #expect(error?.code == .protocolViolation)
    #expect(throws: KacheryError.self) { try file.finish() }
  }

  /// Chunks of any size in any order, compared with a map of every byte.
  @Test(arguments: 1...20) func whatOverlapsIsRefusedAndNothingElse(seed: UInt64) throws {
    var random = SeededRandom(seed: seed)
    let size = 400
    let file = try store.beginReceive(hash, size: UInt64(size))
    defer { file.discard() }
    var isTaken = [Bool](repeating: false, count: size)
    for _ in 0..<60 {
      let start = random.number(0...size - 1)
      let places = start..<min(size, start + random.number(1...20))
      let range = try #require(ByteRange(start: UInt64(places.lowerBound), end: UInt64(places.upperBound)))
      guard !isTaken[places].contains(true) else {
        let error = #expect(throws: KacheryError.self) { _ = try file.beginChunk(range, expected: nil) }
        #expect(error?.code == .alreadyRunning)
        continue
      }
      let chunk = try file.beginChunk(range, expected: nil)
      guard random.number(0...3) > 0 else {
        chunk.abandon()
        continue
      }
      try content.withUnsafeBytes { try chunk.append(UnsafeRawBufferPointer(rebasing: $0[places])) }
      try chunk.finish()
      isTaken.replaceSubrange(places, with: repeatElement(true, count: places.count))
      #expect(file.arrivedBytes == UInt64(isTaken.count { $0 }))
    }
  }

  @Test func oneReceiverAFile() throws {
    let file = try store.beginReceive(hash, size: 1_000_000)
    let error = #expect(throws: KacheryError.self) { _ = try store.beginReceive(hash, size: 1_000_000) }
    #expect(error?.code == .alreadyRunning)
    file.close()
    file.close()
    #expect(try fixture.leftovers() == [])
    try store.beginReceive(hash, size: 1_000_000).discard()
  }

  @Test func aFileWithoutRoomIsRefusedImmediately() throws {
    let error = #expect(throws: KacheryError.self) { _ = try store.beginReceive(hash, size: 1 << 60) }
    #expect(error?.code == .diskFull)
    #expect(error?.message.contains("\(UInt64(1) << 60)") == true)
  }

  @Test func whatIsHereAlreadyStays() throws {
    _ = try store.store(path: try fixture.folder.write("source", content))
    let before = try FileSystem.status(fixture.path(hash))
    let file = try store.beginReceive(hash, size: 1_000_000)
    for chunk in chunks { try receive(chunk, file) }
    _ = try file.finish()
    #expect(try FileSystem.status(fixture.path(hash)) == before)
    #expect(try fixture.leftovers() == [])
  }
}
