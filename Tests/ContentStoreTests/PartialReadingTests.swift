import ContentStore
import Crypto
import Files
import Primitives
import TestSupport
import Testing

/// A file that other nodes read while it is still arriving.
@Suite struct PartialReadingTests {
  private let fixture: StoreFixture
  private let content = PatternBytes.make(1_000_000)
  private let chunks: [Manifest.Chunk]
  private var hash: ContentHash { ContentHash.of(content) }
  private let manifest = ContentHash.of([1])

  init() throws {
    fixture = try StoreFixture()
    chunks = ReceivingTests.chunks(of: content)
  }

  private func begin() throws -> IncomingFile {
    try fixture.store.beginReceive(hash, size: 1_000_000, manifest: manifest, chunks: chunks)
  }

  private func receive(_ index: Int, _ file: IncomingFile, spoilt: Bool = false) throws {
    let chunk = chunks[index]
    let incoming = try file.beginChunk(chunk.range, expected: chunk.hash)
    var bytes = Array(content[Int(chunk.range.start)..<Int(chunk.range.end)])
    if spoilt { bytes[7] ^= 1 }
    try bytes.withUnsafeBytes { try incoming.append($0) }
    try incoming.finish()
  }

  private func places(_ file: IncomingFile) throws -> [Int] {
    let part = try #require(file.share())
    #expect(part.size == 1_000_000 && part.manifest == manifest)
    return (0..<10).filter { part.chunks.contains($0) }
  }

  @Test func onlyWholeChunksAreRead() throws {
    let file = try begin()
    defer { file.close() }
    try receive(1, file)
    try receive(3, file)
    #expect(try places(file) == [1, 3])
    for (start, end, isThere) in [
      (300_000, 600_000, true), (300_001, 300_002, true), (900_000, 1_000_000, true), (299_999, 300_001, false),
      (300_000, 600_001, false), (0, 1, false), (900_000, 1_000_001, false),
    ] as [(UInt64, UInt64, Bool)] {
      let range = try #require(ByteRange(start: start, end: end))
      let reader = try file.openShared(range)
      #expect((reader != nil) == isThere, "\(range)")
      if let reader { #expect(try reader.bytes(range) == Array(content[Int(start)..<Int(end)])) }
    }
  }

  @Test func aDamagedChunkIsNeverShown() throws {
    let file = try begin()
    defer { file.close() }
    try receive(0, file)
    #expect(throws: KacheryError.self) { try receive(1, file, spoilt: true) }
    try receive(2, file)
    #expect(try places(file) == [0, 2])
    #expect(try file.openShared(chunks[1].range) == nil)
  }

  @Test(arguments: [true, false])
  func anOpenReaderOutlivesItsFile(isFinished: Bool) throws {
    let file = try begin()
    for index in 0..<(isFinished ? 4 : 3) { try receive(index, file) }
    _ = file.share()
    let reader = try #require(try file.openShared(chunks[2].range))
    if isFinished { _ = try file.finish() } else { file.discard() }
    #expect(try reader.bytes(chunks[2].range) == Array(content[600_000..<900_000]))
    #expect(file.share() == nil)
    #expect(try file.openShared(chunks[2].range) == nil)
  }

  @Test func aFileWithoutManifestIsNotShared() throws {
    let file = try fixture.store.beginReceive(hash, size: 1_000_000, chunks: chunks)
    defer { file.close() }
    try receive(0, file)
    #expect(file.share() == nil)
    #expect(try file.openShared(chunks[0].range) == nil)
  }
}
