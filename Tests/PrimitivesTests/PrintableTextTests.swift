import Primitives
import Testing

/// Text from others, as it is shown.
@Suite struct PrintableTextTests {
  @Test(arguments: [
    "\u{1b}[2J", "\u{1b}]0;title\u{7}", "\r", "\u{0}", "\u{8}", "\u{7f}", "\u{9b}31m", "\u{85}", "\u{90}", "\u{202e}",
    "\u{202a}", "\u{202b}", "\u{202c}", "\u{202d}", "\u{2066}", "\u{2067}", "\u{2068}", "\u{2069}", "\u{200e}",
    "\u{200f}", "\u{61c}", "\u{2028}", "\u{2029}",
  ])
  func nothingThatIsObeyedIsLeft(text: String) throws {
    let shown = "lab\(text)anna"
    let first = try #require(text.unicodeScalars.first)
    for clean in [shown.printable, shown.printableLines, KacheryError(.notFound, shown).message] {
      #expect(!clean.unicodeScalars.contains(first), "\(clean.debugDescription)")
      #expect(clean.unicodeScalars.count == shown.unicodeScalars.count)
      #expect(clean.hasPrefix("lab ") && clean.hasSuffix("anna"))
    }
  }

  @Test(arguments: [
    "", "plain", "für 5 €…", "שלום", "مرحبا", "日本語", "e\u{301}", "👩‍🔬 and 👨🏽‍🚀", "soft\u{ad}hyphen", "a\u{a0}b",
  ])
  func otherTextStaysAsItIs(text: String) {
    #expect(text.printable == text)
    #expect(Array(text.printable.utf8) == Array(text.utf8))
  }

  @Test func linesStayOnlyWhereTheyAreWanted() {
    #expect("a\n\tb\r\nc".printable == "a  b  c")
    #expect("a\n\tb\r\nc\u{1b}".printableLines == "a\n\tb \nc ")
  }

  @Test func everyControlCharacterIsReplaced() {
    for value in UInt32(0)...0x1_ffff {
      guard let scalar = Unicode.Scalar(value) else { continue }
      let isObeyed = scalar.properties.generalCategory == .control || scalar.properties.isBidiControl
      if isObeyed { #expect(String(Character(scalar)).printable == " ") }
    }
  }
}
