import APIModel
import Crypto
import Foundation
import HTTP
import Primitives
import TestSupport
import Testing

/// Files that any user may give to a daemon, parsed as what they claim to be.
// Under a sanitizer, freed memory still counts.
@Suite(.serialized, .timeLimit(.minutes(2)), .enabled(if: RunningDaemon.sanitizerOptions.isEmpty))
struct HostileFileTests {
  private let folder: TemporaryFolder
  private let daemon: RunningDaemon

  init() throws {
    folder = try TemporaryFolder()
    daemon = try RunningDaemon(in: folder.path("node"), ["--nomulticast"])
  }

  private let absent = ContentHash.of(Array("nowhere".utf8))

  /// Stores the bytes and makes the daemon read them as the manifest of a file that is not here.
  ///
  /// - Returns: the daemon's answer, if any, and the growth of its memory in bytes.
  private func readAsManifest(_ bytes: Data) throws -> (answer: String?, growth: Int) {
    let path = folder.path("claim")
    try bytes.write(to: URL(filePath: path))
    let key = FileKey(hash: absent, manifest: try daemon.store(path).hash)
    let before = try daemon.peakMemory()
    let request = daemon.request("/v1/read", ReadRequest(key: key, start: 0, end: 10).json)
    let answer = try? HTTPClient.fetch(request, limit: 1 << 20)
    return (answer.map { String(decoding: $0.body, as: UTF8.self) }, try daemon.peakMemory() - before)
  }

  /// As a tree of values it would take twenty times its size.
  @Test func nonsenseTakesNoMemory() throws {
    let elements = String(repeating: "0,", count: 8 << 20)
    let (answer, growth) = try readAsManifest(
      Data(#"{"size":30,"sha1":"\#(absent)","chunks":[],"x":[\#(elements)0]}"#.utf8))
    #expect(answer?.contains("The manifest's chunks end at byte 0") == true)
    #expect(growth < 8 << 20, "\(growth) bytes more")
  }

  /// The manifest of two terabytes, which is as valid as any other until a client requests the bytes.
  @Test func aHundredThousandChunksTakeLittleMemory() throws {
    let count = 100_000
    let chunk = ContentHash.of(Array("neither".utf8))
    let manifest = Manifest(
      size: UInt64(count) * Limits.chunkSize, hash: absent, chunkHashes: Array(repeating: chunk, count: count))
    let (_, growth) = try readAsManifest(Data(manifest.bytes))
    #expect(growth < 8 << 20, "\(growth) bytes more")
  }
}
