import Primitives
import TestSupport
import Testing

@Suite struct FolderURITests {
  private let hash = "da39a3ee5e6b4b0d3255bfef95601890afd80709"

  /// Every form ever published still works.
  @Test func historicForms() throws {
    let vectors = try #require(try Vectors.json("uris.json").array).filter { $0["sha1dir"] != nil }
    #expect(vectors.count >= 6)
    for vector in vectors {
      let text = try #require(vector["uri"]?.string)
      let uri = try FolderURI(parsing: text)
      #expect(uri.hash.hex == vector["sha1dir"]?.string)
      #expect(uri.label.text.utf8.elementsEqual(try #require(vector["label"]?.string).utf8))
      #expect(uri.path == vector["path"]?.array?.compactMap { $0.string.map { ByteString($0) } })
      #expect(try FolderURI(parsing: uri.description) == uri)
      #expect(try ContentURI(parsing: text) == .folder(uri))
    }
  }

  @Test(arguments: [
    "", "sha1dir:", "sha1dir://", "sha1dir:///a", "sha1dir://da39", "sha1dir://.x/a",
    "sha1://da39a3ee5e6b4b0d3255bfef95601890afd80709", "sha1dir://da39a3ee5e6b4b0d3255bfef95601890afd8070900",
    "sha1dir://\u{301}da39a3ee5e6b4b0d3255bfef95601890afd80709",
  ])
  func wrongFormsAreRefused(_ text: String) {
    #expect(throws: KacheryError.self) { try FolderURI(parsing: text) }
  }

  @Test func aFileIsNotAFolder() throws {
    #expect(try ContentURI(parsing: "sha1://\(hash)/a") == .file(KacheryURI(parsing: "sha1://\(hash)/a")))
    #expect(throws: KacheryError.self) { try ContentURI(parsing: "http://example.org") }
  }

  @Test func urisThatWereKeptNeverTrap() throws {
    for (name, bytes) in try FuzzCorpus.inputs(of: "folder-uri") {
      guard let uri = try? FolderURI(parsing: String(decoding: bytes, as: UTF8.self)) else { continue }
      #expect(try FolderURI(parsing: uri.description).path == uri.path, "\(name)")
    }
  }

  @Test(arguments: UInt64(0)..<10)
  func damagedURIsNeverTrap(seed: UInt64) throws {
    var random = SeededRandom(seed: seed)
    for _ in 0..<300 {
      let bytes = random.mutated(Array("sha1dir://\(hash).label/a/é/..?x=1".utf8))
      guard let uri = try? FolderURI(parsing: String(decoding: bytes, as: UTF8.self)) else { continue }
      #expect(try FolderURI(parsing: uri.description).path == uri.path, "seed \(seed)")
    }
  }
}
