import Primitives
import TestSupport
import Testing

@Suite struct KacheryURITests {
  /// Every form ever published still works.
  @Test func historicForms() throws {
    let vectors = try #require(try Vectors.json("uris.json").array)
    #expect(vectors.count >= 10)
    for vector in vectors where vector["sha1"] != nil {
      let uri = try KacheryURI(parsing: try #require(vector["uri"]?.string))
      #expect(uri.key.hash.hex == vector["sha1"]?.string)
      #expect(uri.label.text.utf8.elementsEqual(try #require(vector["label"]?.string).utf8))
      #expect(uri.key.manifest?.hex == vector["manifest"]?.string)
      #expect(uri.key.chunkOf?.parent.hex == vector["chunkOf"]?.string)
      #expect(uri.key.chunkOf?.range.start == vector["start"]?.unsigned)
      #expect(uri.key.chunkOf?.range.end == vector["end"]?.unsigned)
      #expect(try KacheryURI(parsing: uri.description) == uri)
    }
  }

  @Test(arguments: [
    "", "sha1", "sha1://", "sha1:/da39a3ee5e6b4b0d3255bfef95601890afd80709", "http://example.org", "sha1://da39",
    "sha1://zz39a3ee5e6b4b0d3255bfef95601890afd80709", "sha1://da39a3ee5e6b4b0d3255bfef95601890afd80709?manifest=12",
    "sha1://da39a3ee5e6b4b0d3255bfef95601890afd8070900", "sha1://\u{301}da39a3ee5e6b4b0d3255bfef95601890afd80709",
    "sha1://da39a3ee5e6b4b0d3255bfef95601890afd80709\u{301}",
    "sha1://da39a3ee5e6b4b0d3255bfef95601890afd80709?chunkOf=a9993e364706816aba3e25717850c26c9cd0d89d~5~4",
    "sha1://da39a3ee5e6b4b0d3255bfef95601890afd80709?chunkOf=a9993e364706816aba3e25717850c26c9cd0d89d~5",
    "sha1://da39a3ee5e6b4b0d3255bfef95601890afd80709?chunkOf=a9993e364706816aba3e25717850c26c9cd0d89d~+5~6",
    "sha1://da39a3ee5e6b4b0d3255bfef95601890afd80709?chunkOf=a9993e364706816aba3e25717850c26c9cd0d89d~5~99999999999999999999",
    "sha1://da39a3ee5e6b4b0d3255bfef95601890afd80709?chunkOf=a9993e364706816aba3e25717850c26c9cd0d89d~0~18446744073709551615",
    "sha1://da39a3ee5e6b4b0d3255bfef95601890afd80709?chunkOf=a9993e364706816aba3e25717850c26c9cd0d89d~0~1000000001",
    "sha1://da39a3ee5e6b4b0d3255bfef95601890afd80709?chunkOf=a9993e364706816aba3e25717850c26c9cd0d89d~9223372036854775807~9223372036854775808",
  ])
  func wrongFormsAreRefused(_ text: String) {
    #expect(throws: KacheryError.self) { try KacheryURI(parsing: text) }
  }

  @Test func urisThatWereKeptNeverTrap() throws {
    for (name, bytes) in try FuzzCorpus.inputs(of: "file-uri") {
      guard let uri = try? KacheryURI(parsing: String(decoding: bytes, as: UTF8.self)) else { continue }
      #expect(try KacheryURI(parsing: uri.description).key.hash == uri.key.hash, "\(name)")
    }
  }

  @Test(arguments: UInt64(0)..<10)
  func damagedURIsNeverTrap(seed: UInt64) throws {
    var random = SeededRandom(seed: seed)
    let hash = "da39a3ee5e6b4b0d3255bfef95601890afd80709"
    for form in ["/a.txt?manifest=\(hash)", ".x/y?chunkOf=\(hash)~5~60"] {
      for _ in 0..<200 {
        let text = String(decoding: random.mutated(Array("sha1://\(hash)\(form)".utf8)), as: UTF8.self)
        guard let uri = try? KacheryURI(parsing: text) else { continue }
        #expect(uri.key.hash.hex.utf8.count == 40, "seed \(seed)")
        #expect(try KacheryURI(parsing: uri.description).key.hash == uri.key.hash, "seed \(seed)")
      }
    }
  }
}
