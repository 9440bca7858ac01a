import Primitives
import TestSupport
import Testing

@Suite struct ManifestTests {
  private let a = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
  private let hash: ContentHash

  init() throws { hash = try #require(ContentHash(hex: a)) }

  private func bytes(_ text: String) -> [UInt8] {
    Array(text.split(separator: "HASH", omittingEmptySubsequences: false).joined(separator: a).utf8)
  }

  private func read(_ bytes: [UInt8], chunkSize: UInt64? = nil) throws(KacheryError) -> Manifest {
    try Manifest(parsing: bytes, chunkSize: chunkSize)
  }

  private let two =
    #"{"size":30,"sha1":"HASH","chunks":[{"start":0,"end":20,"sha1":"HASH"},{"start":20,"end":30,"sha1":"HASH"}]}"#

  @Test func writesTheKeysInTheirOrder() throws {
    let manifest = try read(bytes(two))
    #expect(manifest == Manifest(size: 30, hash: hash, chunkSize: 20, chunkHashes: [hash, hash]))
    #expect(manifest.chunks.map(\.range) == [ByteRange(start: 0, end: 20), ByteRange(start: 20, end: 30)])
    #expect(manifest.bytes == bytes(two))
  }

  /// Another order, white space, and members of later versions are accepted.
  @Test(arguments: [
    #"{"chunks":[{"sha1":"HASH","end":20,"start":0},{"end":30,"start":20,"sha1":"HASH"}],"sha1":"HASH","size":30}"#,
    """
     { "size" : 30, "sha1" : "HASH",
       "chunks" : [ { "start" : 0, "end" : 20, "sha1" : "HASH" } ,
         { "start" : 20, "end" : 30, "sha1" : "HASH" } ] }\n
    """,
    #"{"":{"a":[1,-2.5e7,true,null,{},[],"\"]}\u0041"]},"size":30,"sha1":"HASH","note":"HASHHASH","chunks":["#
      + #"{"start":0,"x":[],"end":20,"sha1":"HASH"},{"start":20,"end":30,"sha1":"HASH"}]}"#,
  ])
  func readsAnyOrder(text: String) throws {
    #expect(try read(bytes(text)) == Manifest(size: 30, hash: hash, chunkSize: 20, chunkHashes: [hash, hash]))
  }

  @Test(arguments: [
    "", "[]", "{}", "{", #"{"size":30"#, #"{"size":30,}"#, #"{"size":1,"sha1":"x","chunks":[]}"#,
    #"{"size":5,"sha1":"HASH","chunks":[]}"#, #"{"size":0,"sha1":"HASH"}"#,
    #"{"size":5,"sha1":"HASH","chunks":[{"start":0,"end":4,"sha1":"HASH"}]}"#,
    #"{"size":5,"sha1":"HASH","chunks":[{"start":1,"end":5,"sha1":"HASH"}]}"#,
    #"{"size":5,"sha1":"HASH","chunks":[{"start":0,"end":0,"sha1":"HASH"},{"start":0,"end":5,"sha1":"HASH"}]}"#,
    #"{"size":5,"sha1":"HASH","chunks":[{"start":0,"end":3,"sha1":"HASH"},{"start":2,"end":5,"sha1":"HASH"}]}"#,
    #"{"size":5,"sha1":"HASH","chunks":[{"start":0,"end":2,"sha1":"HASH"},{"start":3,"end":5,"sha1":"HASH"}]}"#,
    #"{"size":5,"sha1":"HASH","chunks":[{"start":0,"end":2,"sha1":"HASH"},{"start":2,"end":5,"sha1":"HASH"}]}"#,
    #"{"size":5,"sha1":"HASH","chunks":[{"start":3,"end":5,"sha1":"HASH"},{"start":0,"end":3,"sha1":"HASH"}]}"#,
    #"{"size":5,"sha1":"HASH","chunks":[{"start":0,"end":5,"sha1":"HASH"},{"start":5,"end":9,"sha1":"HASH"}]}"#,
    #"{"size":5,"sha1":"HASH","chunks":[{"start":0,"end":2,"sha1":"HASH"},{"start":2,"end":3,"sha1":"HASH"},"#
      + #"{"start":3,"end":5,"sha1":"HASH"}]}"#,
    #"{"size":5,"sha1":"HASH","chunks":[{"start":0,"end":5,"sha1":"HASH"}],"size":5}"#,
    #"{"size":5,"sha1":"HASH","chunks":[{"start":0,"end":5,"sha1":"HASH","end":5}]}"#,
    #"{"size":5,"sha1":"HASH","chunks":[{"start":0,"end":5,"sha1":"HASH"}]} {}"#,
    #"{"size":05,"sha1":"HASH","chunks":[{"start":0,"end":5,"sha1":"HASH"}]}"#,
    #"{"size":-5,"sha1":"HASH","chunks":[{"start":0,"end":-5,"sha1":"HASH"}]}"#,
    #"{"size":5.5,"sha1":"HASH","chunks":[{"start":0,"end":5.5,"sha1":"HASH"}]}"#,
    #"{"size":9223372036854775808,"sha1":"HASH","chunks":[{"start":0,"end":9223372036854775808,"sha1":"HASH"}]}"#,
    #"{"size":36893488147419103232,"sha1":"HASH","chunks":[]}"#,
    #"{"x":\#(String(repeating: "[", count: 100))"#,
  ])
  func contradictionsAreRefused(text: String) {
    let error = #expect(throws: KacheryError.self) { try read(bytes(text)) }
    #expect(error?.code == .badManifest)
  }

  /// A file is cut at every 20,000,000 bytes and nowhere else, so its size determines the number of chunks.
  @Test func otherChunksThanTheFormatsAreRefused() throws {
    #expect(throws: KacheryError.self) { try Manifest(parsing: bytes(two)) }
    let small = #"{"size":30,"sha1":"HASH","chunks":[{"start":0,"end":30,"sha1":"HASH"}]}"#
    #expect(try Manifest(parsing: bytes(small)).chunkSize == Limits.chunkSize)
    let large = Manifest(size: 40_000_001, hash: hash, chunkHashes: [hash, hash, hash])
    #expect(try Manifest(parsing: large.bytes) == large)
    #expect(large.chunks.last?.range == ByteRange(start: 40_000_000, end: 40_000_001))
    #expect(large.chunk(holding: 39_999_999) == 1)
    #expect(large.chunk(holding: 40_000_000) == 2)
    #expect(large.chunk(holding: 40_000_001) == nil)
  }

  /// Hashes are most of a manifest's memory, so they must stay small.
  @Test func aChunkTakesTwentyFourBytes() { #expect(MemoryLayout<ContentHash>.stride == 24) }

  /// Every accepted manifest covers the file without gaps, and is written as it was read.
  @Test(arguments: UInt64(0)..<10)
  func damagedManifestsAreRefusedOrWhole(seed: UInt64) throws {
    var random = SeededRandom(seed: seed)
    for _ in 0..<200 {
      let damaged = random.mutated(bytes(two))
      guard let manifest = try? read(damaged) else { continue }
      #expect(manifest.chunks.reduce(0) { $0 + $1.range.count } == manifest.size, "seed \(seed)")
      #expect(try read(manifest.bytes, chunkSize: manifest.chunkSize) == manifest, "seed \(seed)")
    }
  }

  @Test func storedManifestsAreRejectedOrValid() throws {
    for (name, bytes) in try FuzzCorpus.inputs(of: "manifest") {
      guard let manifest = try? read(bytes) else { continue }
      #expect(manifest.chunks.reduce(0) { $0 + $1.range.count } == manifest.size, "\(name)")
      #expect(try read(manifest.bytes, chunkSize: manifest.chunkSize) == manifest, "\(name)")
    }
  }

  /// The boundaries of blocks make no difference, whether the manifest is valid or damaged.
  @Test(arguments: UInt64(0)..<10)
  func blocksOfAnySizeGiveTheSame(seed: UInt64) throws {
    var random = SeededRandom(seed: seed)
    for round in 0..<50 {
      let whole = round == 0 ? bytes(two) : random.mutated(bytes(two))
      var sizes = random
      var rest = whole[...]
      let inBlocks = Result { () throws(KacheryError) in
        try Manifest(chunkSize: nil) { () throws(KacheryError) in
          let block = rest.prefix(sizes.number(1...20))
          rest = rest.dropFirst(block.count)
          return Array(block)
        }
      }
      let atOnce = Result { () throws(KacheryError) in try read(whole) }
      #expect((try? inBlocks.get()) == (try? atOnce.get()), "seed \(seed)")
    }
  }

  /// An endless manifest is rejected, and its content is not kept in memory.
  @Test(arguments: [#"{"x":""#, #"{"x":[0"#, "{"])
  func whatNeverEndsIsGivenUp(beginning: String) {
    let filling = [UInt8](repeating: beginning == "{" ? 0x20 : UInt8(ascii: "1"), count: 1 << 20)
    var blocks = 0
    let error = #expect(throws: KacheryError.self) {
      try Manifest { () throws(KacheryError) in
        blocks += 1
        return blocks == 1 ? Array(beginning.utf8) : filling
      }
    }
    #expect(error?.message.contains("too large") == true)
    #expect(blocks == 65)
  }
}
