import Primitives
import TestSupport
import Testing

@Suite struct FeedURITests {
  private static let id = String(repeating: "0123456789abcdef", count: 4)

  @Test(arguments: [
    ("feed://\(id)", nil), ("feed://\(id)/", nil), ("feed://\(id)/main", "main"), ("feed://\(id)/a/b", "a/b"),
    ("feed://\(id)/gr%C3%B6%C3%9Fer%20x", "größer x"), ("feed://\(id)/größer", "größer"),
    ("feed://\(id)/~da39a3ee5e6b4b0d3255bfef95601890afd80709", "~da39a3ee5e6b4b0d3255bfef95601890afd80709"),
    ("feed://\(id)/100%", "100%"), ("feed://\(id)/a%3Fb?x=1", "a?b"), ("feed://\(id)?x=/1", nil),
  ])
  func namesAFeedAndPerhapsASubfeed(_ text: String, _ subfeed: String?) throws {
    let uri = try FeedURI(parsing: text)
    #expect(uri.feed.hex == Self.id)
    #expect(uri.subfeed == subfeed.map { ByteString($0) })
    #expect(try FeedURI(parsing: uri.description) == uri)
  }

  /// The output of Python's `quote` for the same names.
  @Test func isWrittenAsThePublishedClientsDo() throws {
    let feed = try #require(FeedID(hex: Self.id))
    #expect(FeedURI(feed: feed).description == "feed://\(Self.id)")
    #expect(FeedURI(feed: feed, subfeed: "a/b c_.-~é%").description == "feed://\(Self.id)/a/b%20c_.-~%C3%A9%25")
  }

  @Test(arguments: ["", "feed:", "feed://", "feed://0123", "feed://\(id)0/a", "sha1://\(id)", "feed:///main"])
  func wrongFormsAreRefused(_ text: String) {
    #expect(throws: KacheryError.self) { try FeedURI(parsing: text) }
  }

  @Test func urisThatWereKeptNeverTrap() throws {
    for (name, bytes) in try FuzzCorpus.inputs(of: "feed-uri") {
      guard let uri = try? FeedURI(parsing: String(decoding: bytes, as: UTF8.self)) else { continue }
      #expect(try FeedURI(parsing: uri.description) == uri, "\(name)")
    }
  }

  @Test(arguments: UInt64(0)..<10)
  func damagedURIsNeverTrap(seed: UInt64) throws {
    var random = SeededRandom(seed: seed)
    for _ in 0..<300 {
      let bytes = random.mutated(Array("feed://\(Self.id)/a/é%41%/..?x=1".utf8))
      guard let uri = try? FeedURI(parsing: String(decoding: bytes, as: UTF8.self)) else { continue }
      #expect(try FeedURI(parsing: uri.description) == uri, "seed \(seed)")
    }
  }

  @Test func escapesThatAreNoneStay() {
    #expect(PercentEncoding.decode("%41%zz%4%") == "A%zz%4%")
    #expect(PercentEncoding.decode("%ff") == "\u{fffd}")
  }
}
