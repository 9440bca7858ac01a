import Primitives
import TestSupport
import Testing

@Suite struct ManifestTests {
  private let a = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

  @Test func writesTheKeysInTheirOrder() throws {
    let text = """
      {"size":30,"sha1":"\(a)","chunks":[{"start":0,"end":20,"sha1":"\(a)"},{"start":20,"end":30,"sha1":"\(a)"}]}
      """
    let manifest = try Manifest(parsing: Array(text.utf8))
    #expect(manifest.size == 30)
    #expect(manifest.chunks.count == 2)
    #expect(manifest.json.compact == text)
  }

  @Test(arguments: [
    "", "[]", "{}", #"{"size":1,"sha1":"x","chunks":[]}"#,
    #"{"size":5,"sha1":"HASH","chunks":[]}"#,
    #"{"size":5,"sha1":"HASH","chunks":[{"start":0,"end":4,"sha1":"HASH"}]}"#,
    #"{"size":5,"sha1":"HASH","chunks":[{"start":1,"end":5,"sha1":"HASH"}]}"#,
    #"{"size":5,"sha1":"HASH","chunks":[{"start":0,"end":0,"sha1":"HASH"},{"start":0,"end":5,"sha1":"HASH"}]}"#,
    #"{"size":5,"sha1":"HASH","chunks":[{"start":0,"end":3,"sha1":"HASH"},{"start":2,"end":5,"sha1":"HASH"}]}"#,
    #"{"size":-5,"sha1":"HASH","chunks":[{"start":0,"end":-5,"sha1":"HASH"}]}"#,
    #"{"size":5.5,"sha1":"HASH","chunks":[{"start":0,"end":5.5,"sha1":"HASH"}]}"#,
  ])
  func contradictionsAreRefused(text: String) {
    let bytes = Array(text.split(separator: "HASH", omittingEmptySubsequences: false).joined(separator: a).utf8)
    #expect(throws: KacheryError.self) { try Manifest(parsing: bytes) }
  }

  /// Whatever is accepted covers the file without gap, and is written as it was read.
  @Test(arguments: UInt64(0)..<10)
  func damagedManifestsAreRefusedOrWhole(seed: UInt64) throws {
    var random = SeededRandom(seed: seed)
    let text = """
      {"size":30,"sha1":"\(a)","chunks":[{"start":0,"end":20,"sha1":"\(a)"},{"start":20,"end":30,"sha1":"\(a)"}]}
      """
    for _ in 0..<200 {
      guard let manifest = try? Manifest(parsing: random.mutated(Array(text.utf8))) else { continue }
      #expect(manifest.chunks.reduce(0) { $0 + $1.range.count } == manifest.size, "seed \(seed)")
      #expect(try Manifest(parsing: manifest.json.compactBytes) == manifest, "seed \(seed)")
    }
  }
}
