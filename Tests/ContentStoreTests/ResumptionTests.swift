import ContentStore
import Crypto
import Files
import Primitives
import TestSupport
import Testing

@Suite struct ResumptionTests {
  let fixture: StoreFixture
  var store: ContentStore { fixture.store }
  let content = PatternBytes.make(1_000_000)
  let chunks: [Manifest.Chunk]
  var hash: ContentHash { ContentHash.of(content) }
  var partial: String { "\(store.directory)/kachery-node/partial/\(hash)" }

  init() throws {
    fixture = try StoreFixture()
    chunks = ReceivingTests.chunks(of: content)
  }

  private func receive(_ indices: [Int], _ file: IncomingFile) throws {
    for index in indices {
      let chunk = try file.beginChunk(chunks[index].range, expected: chunks[index].hash)
      let (start, end) = (Int(chunk.range.start), Int(chunk.range.end))
      try content.withUnsafeBytes { try chunk.append(UnsafeRawBufferPointer(rebasing: $0[start..<end])) }
      try chunk.finish()
    }
  }

  private func again() throws -> IncomingFile { try store.beginReceive(hash, size: 1_000_000, chunks: chunks) }

  @Test(arguments: [[0], [0, 1], [2], [0, 2], [3, 1], [0, 1, 2, 3]])
  func goesOnFromTheVerifiedChunks(first: [Int]) throws {
    let before = try again()
    #expect(before.resumed == [])
    try receive(first, before)
    before.close()
    let file = try again()
    #expect(file.resumed == first.sorted().map { chunks[$0] })
    #expect(file.arrivedBytes == first.reduce(0) { $0 + chunks[$1].range.count })
    try receive([0, 1, 2, 3].filter { !first.contains($0) }, file)
    #expect(try FileSystem.read(try file.finish().path, limit: content.count) == content)
    #expect(try fixture.leftovers() == [])
  }

  @Test func survivesManySessions() throws {
    for index in 0..<4 {
      let file = try again()
      #expect(file.resumed.count == index)
      try receive([index], file)
      file.close()
    }
    #expect(try again().finish().size == 1_000_000)
  }

  @Test func whatWasDamagedInTheMeantimeIsReceivedAgain() throws {
    let before = try again()
    try receive([0, 1, 2], before)
    before.close()
    try File(partial, .update).write(at: 10, [0xee, 0xee])
    try File(partial, .update).truncate(to: 700_000)
    let file = try again()
    #expect(file.resumed == [chunks[1]])
    try receive([0, 2, 3], file)
    #expect(try FileSystem.read(try file.finish().path, limit: content.count) == content)
  }

  @Test func aListThatIsDamagedCostsNothingButTime() throws {
    let before = try again()
    try receive([0, 1], before)
    before.close()
    let list = "\(partial).verified"
    let lines = try FileSystem.read(list, limit: 1_000)
    for damage in [
      Array(lines.dropLast(3)), lines + lines, Array("\n 1 2\n9 1 x\n".utf8) + lines, [0xff, 0x0a] + lines,
    ] {
      try FileSystem.replace(list, with: damage, permissions: 0o600)
      let file = try again()
      #expect(file.resumed.first == chunks[0])
      file.close()
    }
  }

  @Test func chunksOfAnotherManifestDoNotCount() throws {
    let before = try again()
    try receive([0], before)
    before.close()
    let file = try store.beginReceive(hash, size: 1_000_000)
    #expect(file.resumed == [])
    #expect(try FileSystem.status(partial).size == 0)
  }
}
