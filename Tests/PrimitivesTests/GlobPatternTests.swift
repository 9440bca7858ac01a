import Primitives
import TestSupport
import Testing

/// Patterns that leave files out of a stored folder. The tests in Python replay the same vectors.
@Suite struct GlobPatternTests {
  @Test func patternsMatchWhatTheVectorsSay() throws {
    for vector in try Vectors.json("globs.json").list("cases") {
      let text = try vector.text("pattern")
      let pattern = GlobPattern(text.text)
      func paths(_ name: ByteString) -> [ByteString] {
        vector[name]?.array?.compactMap { $0.string.map { ByteString($0) } } ?? []
      }
      for path in paths("matches") { #expect(pattern.matches(path, isFolder: false), "\(text) \(path)") }
      for path in paths("folders") { #expect(pattern.matches(path, isFolder: true), "\(text) \(path)/") }
      for path in paths("others") { #expect(!pattern.matches(path, isFolder: false), "\(text) \(path)") }
    }
  }

  @Test func aFolderMatchesLikeAFileUnlessThePatternIsForFolders() {
    #expect(GlobPattern("cache").matches("sub/cache", isFolder: true))
    #expect(!GlobPattern("cache/").matches("cache", isFolder: false))
  }

  @Test func noPatternTakesLong() {
    let pattern = GlobPattern(String(repeating: "**a", count: 60) + "[b")
    #expect(!pattern.matches(ByteString(String(repeating: "a", count: 4_000)), isFolder: false))
  }
}
