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
  func resumesFromTheVerifiedChunks(first: [Int]) throws {
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

  /// A description of the file that has none of these chunks may be wrong: they stay for the description that has them.
  @Test func whatAnotherDescriptionOfTheFileLeftStays() throws {
    let before = try again()
    try receive([0], before)
    before.close()
    let wrong = try store.beginReceive(hash, size: 2_000_000)
    #expect(wrong.resumed == [])
    wrong.close()
    let file = try again()
    #expect(file.resumed == [chunks[0]])
    file.close()
    let right = try store.beginReceive(hash, size: 1_000_000)
    let chunk = try right.beginChunk(ByteRange(whole: 1_000_000), expected: hash)
    try content.withUnsafeBytes { try chunk.append($0) }
    try chunk.finish()
    #expect(try FileSystem.read(try right.finish().path, limit: content.count) == content)
    #expect(try fixture.leftovers() == [])
  }

  /// Nodes contradict each other, and both descriptions are tried.
  @Test func aFileIsReceivedBesideAnotherDescriptionOfIt() throws {
    let first = try again()
    try receive([0], first)
    let second = try store.beginReceive(hash, size: 1 << 30, isBeside: true)
    let third = try store.beginReceive(hash, size: 1_000_000, chunks: chunks, isBeside: true)
    try receive([0, 1, 2, 3], third)
    #expect(try FileSystem.read(try third.finish().path, limit: content.count) == content)
    second.close()
    first.discard()
    #expect(try fixture.leftovers() == [])
  }
}
