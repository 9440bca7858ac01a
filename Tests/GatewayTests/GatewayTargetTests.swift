import Crypto
import Primitives
import TestSupport
import Testing

@testable import Gateway

@Suite struct GatewayTargetTests {
  private static let hash = ContentHash.of([])

  private func file(_ rest: String, manifest: String? = nil) -> GatewayTarget? {
    GatewayTarget(path: "/sha1/\(Self.hash)\(rest)", manifest: manifest)
  }

  @Test(arguments: [
    ("", ""), ("/", ""), ("/a.txt", "a.txt"), ("/a%20b.txt", "a b.txt"), ("/x/y/a.txt", "a.txt"), ("/%C3%A9", "é"),
    ("/100%25", "100%"), ("/a%2Fb", ""), ("/%FF", ""), ("/%", "%"), (".txt", ""), ("/..", ".."),
    ("/%0D%0ASet-Cookie:x", "\r\nSet-Cookie:x"),
  ])
  func pathsOfFilesMayHaveANameThatMeansNothing(rest: String, name: String) {
    #expect(file(rest) == .file(FileKey(hash: Self.hash), name: name))
  }

  @Test func aManifestMayBeNamed() {
    let named = FileKey(hash: Self.hash, manifest: Self.hash)
    #expect(file("/a", manifest: Self.hash.hex) == .file(named, name: "a"))
    #expect(file("/a", manifest: "x&chunkOf=1") == .file(FileKey(hash: Self.hash), name: "a"))
  }

  @Test func foldersAreNamedAsInTheirURIs() throws {
    let uri = try FolderURI(parsing: "sha1dir://\(Self.hash).data/a%20b/c")
    #expect(
      GatewayTarget(path: "/sha1dir/\(Self.hash).data/a%20b/c") == .folder(uri, hasFinalSlash: false))
    #expect(GatewayTarget(path: "/sha1dir/\(Self.hash).data/a%20b/c/") == .folder(uri, hasFinalSlash: true))
    #expect(GatewayTarget(path: "/") == .root)
  }

  @Test(arguments: [
    "", "*", "/sha1", "/sha1/", "/sha1/1234", "/sha1//\(hash)", "/SHA1/\(hash)", "//sha1/\(hash)", "/v1/read", "/probe",
    "/metrics", "/stats", "/sha1/../v1/store/list", "/sha1%2F\(hash)", "/sha1/\(hash)x", "/sha1dir/", "/sha1dir/x",
    "http://other/sha1/\(hash)", "/feed/getFeedInfo", "/page/main.js",
    "/sha1/\(hash)/" + String(repeating: "a", count: 17_000),
  ])
  func nothingElseIsThere(path: String) {
    #expect(GatewayTarget(path: path) == nil)
  }

  @Test(arguments: 0..<20) func mutatedPathsNameNothingElse(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    let paths = ["/sha1/\(Self.hash)/a%20b.txt", "/sha1dir/\(Self.hash).label/%C3%A9/../b?", "/sha1/\(Self.hash)?x"]
    for round in 0..<300 {
      let path = String(decoding: random.mutated(Array(paths[round % paths.count].utf8)), as: UTF8.self)
      guard case .file(let key, let name)? = GatewayTarget(path: path, manifest: path) else { continue }
      #expect(key.chunkOf == nil && !name.utf8.contains(UInt8(ascii: "/")), "seed \(seed): \(path.debugDescription)")
    }
  }
}
