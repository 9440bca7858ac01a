import Crypto
import Primitives
import TestSupport
import Testing
import Wire

@Suite struct BatchTests {
  private let channel: ChannelProof = .filled(with: 7)

  private func decode(_ bytes: [UInt8]) throws -> BatchRequest? {
    var decoder = FrameDecoder(limit: 32 << 10)
    decoder.append(bytes)
    guard let frame = try decoder.next() else { return nil }
    return try BatchRequest.decode(frame)
  }

  @Test(arguments: [0, 1, 1_024])
  func requestsSurviveTheWay(count: Int) throws {
    let hashes = (0..<count).map { ContentHash.of(Array("\($0)".utf8)) }
    let request = BatchRequest(channel: channel, hashes: hashes)
    #expect(try decode(request.encoded) == request)
  }

  @Test func moreFilesThanAllowedAreRefused() throws {
    let hashes = [ContentHash](repeating: .of([]), count: BatchRequest.maximumFiles + 1)
    let bytes = BatchRequest(channel: channel, hashes: hashes).encoded
    #expect(throws: WireError.self) { try decode(bytes) }
  }

  /// Any input is rejected, incomplete or decoded, and whatever was decoded decodes to the same value again.
  @Test(arguments: 0..<200)
  func noBytesDoHarm(seed: UInt64) throws {
    var random = SeededRandom(seed: seed)
    let hashes = (0..<random.number(0...20)).map { ContentHash.of([UInt8(truncatingIfNeeded: $0)]) }
    try expectNoHarm(from: random.mutated(BatchRequest(channel: channel, hashes: hashes).encoded), "seed \(seed)")
  }

  @Test func inputsThatWereKeptDoNoHarm() throws {
    for (name, bytes) in try FuzzCorpus.inputs(of: "batch") { try expectNoHarm(from: bytes, "\(name)") }
  }

  private func expectNoHarm(from bytes: [UInt8], _ name: Comment) throws {
    guard let request = try? decode(bytes) else { return }
    #expect(try decode(request.encoded) == request, name)
  }
}
