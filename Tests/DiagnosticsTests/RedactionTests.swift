import Diagnostics
import TestSupport
import Testing

@Suite struct RedactionTests {
  private func redaction() -> Redaction {
    var redaction = Redaction()
    redaction.hide(word: "lab", as: "(channel 1)")
    redaction.hide(word: "lab-7f3a9c", as: "(channel 2)")
    redaction.hide("/home/anna", as: "~")
    redaction.hide("", as: "nothing")
    return redaction
  }

  @Test(arguments: [
    ("joined lab, lab-7f3a9c", "joined (channel 1), (channel 2)"),
    ("label: slab", "label: slab"),
    ("'lab'", "'(channel 1)'"),
    ("/home/anna/kachery-storage", "~/kachery-storage"),
    ("http://localhost/?token=0123abcd (for minutes)", "http://localhost/?token=(hidden) (for minutes)"),
    ("kachery-invite-1-ADC_V-x/", "kachery-invite-(hidden)/"),
    ("proxy http://ann:secret@proxy:3128", "proxy http://(hidden)@proxy:3128"),
    ("https://example.org/a@b", "https://example.org/a@b"),
    ("KACHERY-CLIENT-AUTH-CODE: 12ab\n", "KACHERY-CLIENT-AUTH-CODE: (hidden)\n"),
    ("token=", "token=(hidden)"), ("", ""), ("größer", "größer"),
  ])
  func secretsAreReplaced(text: String, expected: String) {
    #expect(redaction().applied(to: text) == expected)
  }

  /// Whatever the text is, no secret is left, and it ends.
  @Test(arguments: 0..<20 as Range<UInt64>) func noSecretIsLeft(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    let parts = [" ", "lab-7f3a9c", "://", "@", "/home/anna", "token=", "é", "x", ":", "\n", "kachery-invite-"]
    for _ in 0..<200 {
      let text = (0..<random.number(0...12)).map { _ in parts[random.number(0...parts.count - 1)] }.joined()
      let shown = redaction().applied(to: text)
      #expect(!shown.utf8.elementsEqual("/home/anna".utf8) && !shown.contains("/home/anna"), "seed \(seed): \(text)")
    }
  }
}
