import Primitives
import TestSupport
import Testing

/// Text compared and searched by its bytes, where `String` would compare characters.
@Suite struct ByteStringTests {
  @Test func whatOnlyLooksAlikeDiffers() throws {
    for pair in try Vectors.json("names.json").list("different") {
      let names = try #require(pair.array).compactMap { $0.string.map { ByteString($0) } }
      try #require(names.count == 2)
      #expect(names[0] != names[1])
      #expect(Set(names).count == 2)
      #expect((names[0] < names[1]) != (names[1] < names[0]))
      #expect(pair.array?.first != pair.array?.last)
      var object = JSONObject()
      for name in names { object[name] = .string(name.text) }
      #expect(object.members.map(\.name) == names)
      #expect(try JSONParser.parse(JSONValue.object(object).compactBytes) == .object(object))
      #expect(Set(names.map { JSONValue.string($0.text) }).count == 2)
    }
  }

  @Test(arguments: UInt64(0)..<20)
  func theOrderIsThatOfTheBytes(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    let pieces = [
      "a", "e", "\u{301}", "\u{e9}", "\u{200d}", "\r", "\n", "\u{1f469}", "\u{ff5e}", "\u{1112}", "\u{1161}",
    ]
    let names = (0..<100).map { _ in
      ByteString(
        (0..<Int.random(in: 0..<8, using: &random)).map { _ in pieces.randomElement(using: &random) ?? "" }.joined())
    }
    let bytes = names.map { Array($0.utf8) }
    #expect(names.sorted().map { Array($0.utf8) } == bytes.sorted { $0.lexicographicallyPrecedes($1) }, "seed \(seed)")
    #expect(Set(names).count == Set(bytes).count, "seed \(seed)")
    for (name, other) in zip(names, names.dropFirst()) {
      #expect((name == other) == (Array(name.utf8) == Array(other.utf8)), "seed \(seed)")
    }
  }

  /// None of these separators is a separate `Character`.
  @Test(arguments: ["\u{301}", "\u{200d}", "\u{fe0f}", "\u{0e33}"])
  func aMarkHidesNoSeparator(mark: String) {
    let text = "a/\(mark)b/\(mark)c"
    #expect(text.cut(at: "/").head == "a")
    #expect(text.cut(at: "/").tail.map { ByteString($0) } == ByteString("\(mark)b/\(mark)c"))
    #expect(text.cut(atLast: "/").head.map { $0 } == Array("a/\(mark)b"))
    #expect(text.cut(atLast: "/").tail.map { ByteString($0) } == ByteString("\(mark)c"))
    #expect(
      text.parts(separatedBy: "/").map { ByteString($0) } == ["a", ByteString("\(mark)b"), ByteString("\(mark)c")])
    #expect(ByteString(text.lastPathName) == ByteString("\(mark)c"))
    #expect(text.begins(with: "a/"))
    #expect(text.removing(prefix: "a/").map { ByteString($0) } == ByteString("\(mark)b/\(mark)c"))
    #expect("\(mark).link".ends(with: ".link"))
    #expect(text.contains(bytesOf: "/"))
    #expect(!text.begins(with: "a\(mark)"))
  }

  @Test func searchingKnowsTheEnds() {
    #expect("".parts(separatedBy: "/") == [""])
    #expect("//a/".parts(separatedBy: "/") == ["", "", "a", ""])
    #expect("//a/".parts(separatedBy: "/", omittingEmpty: true) == ["a"])
    #expect("a\r\nb".parts(separatedBy: "\n").count == 2)
    #expect("a".cut(at: "/") == ("a", nil))
    #expect("a/".cut(at: "/") == ("a", ""))
    #expect("/".cut(atLast: "/") == ("", ""))
    #expect("".lastPathName == "" && "/".lastPathName == "" && "a/b//".lastPathName == "b")
    #expect("abc".removing(prefix: "abc") == "" && "abc".removing(suffix: "abc") == "")
    #expect("bc".removing(suffix: "abc") == nil && "ab".removing(prefix: "abc") == nil)
    #expect("abc".contains(bytesOf: "bc") && !"abc".contains(bytesOf: "cb") && "".contains(bytesOf: ""))
    #expect("KACHERY-Ä\u{212a}".lowercasedASCII.utf8.elementsEqual("kachery-Ä\u{212a}".utf8))
  }

  @Test func noCodePointIsCut() {
    let text = "aé\u{1f469}b"
    let cuts = (0...9).map { Array(text.prefix(bytes: $0).utf8).count }
    #expect(cuts == [0, 1, 1, 3, 3, 3, 3, 7, 8, 8])
    let marks = "e" + String(repeating: "\u{301}", count: 1_000)
    #expect(marks.prefix(bytes: 128).utf8.count == 127)
  }
}
