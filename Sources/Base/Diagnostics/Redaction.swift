/// Replaces secrets in text that goes to other people: names of channels, tokens, invites and passwords in addresses.
package struct Redaction: Sendable {
  private struct Rule: Sendable {
    let secret: [UInt8]
    let replacement: [UInt8]
    /// Whether it is replaced only where neither letters nor digits adjoin it: a channel may have a short name.
    let isWord: Bool
  }

  /// What begins a secret, which then goes to the next character that cannot belong to it.
  private static let beginnings = ["token=", "kachery-invite-", "KACHERY-CLIENT-AUTH-CODE: ", "Bearer "].map {
    Array($0.utf8)
  }

  private var rules: [Rule] = []

  package init() {}

  /// Replaces this text wherever it is a word by itself. Empty text is ignored.
  package mutating func hide(word: String, as replacement: String) { add(word, replacement, isWord: true) }

  /// Replaces this text everywhere. Empty text is ignored.
  package mutating func hide(_ secret: String, as replacement: String) { add(secret, replacement, isWord: false) }

  private mutating func add(_ secret: String, _ replacement: String, isWord: Bool) {
    guard !secret.isEmpty else { return }
    rules.append(Rule(secret: Array(secret.utf8), replacement: Array(replacement.utf8), isWord: isWord))
    // A name that begins with another one goes first.
    rules.sort { $0.secret.count > $1.secret.count }
  }

  /// The text without the secrets.
  package func applied(to text: String) -> String {
    let bytes = Array(text.utf8)
    var result: [UInt8] = []
    var index = 0
    while index < bytes.count {
      if let rule = rules.first(where: { matches($0, in: bytes, at: index) }) {
        result += rule.replacement
        index += rule.secret.count
      } else if let beginning = Self.beginnings.first(where: { bytes[index...].starts(with: $0) }) {
        let end = bytes[(index + beginning.count)...].firstIndex { !Self.isOfToken($0) } ?? bytes.count
        result += beginning + Array("(hidden)".utf8)
        index = end
      } else if let end = Self.endOfLogin(in: bytes, at: index) {
        result += Array("://(hidden)@".utf8)
        index = end
      } else {
        result.append(bytes[index])
        index += 1
      }
    }
    return String(decoding: result, as: UTF8.self)
  }

  private func matches(_ rule: Rule, in bytes: [UInt8], at index: Int) -> Bool {
    guard bytes[index...].starts(with: rule.secret) else { return false }
    guard rule.isWord else { return true }
    let end = index + rule.secret.count
    return (index == 0 || !Self.isOfWord(bytes[index - 1])) && (end == bytes.count || !Self.isOfWord(bytes[end]))
  }

  /// The end of `://USER:PASSWORD@`; nil if that is not here.
  private static func endOfLogin(in bytes: [UInt8], at index: Int) -> Int? {
    let start = Array("://".utf8)
    guard bytes[index...].starts(with: start) else { return nil }
    let rest = bytes[(index + start.count)...].prefix(512)
    let place = rest.firstIndex { $0 == UInt8(ascii: "@") || $0 == UInt8(ascii: "/") || $0 <= 0x20 }
    guard let place, bytes[place] == UInt8(ascii: "@") else { return nil }
    return place + 1
  }

  private static func isOfWord(_ byte: UInt8) -> Bool {
    switch byte {
    case 0x30...0x39, 0x41...0x5a, 0x61...0x7a, 0x80...: true
    default: false
    }
  }

  private static func isOfToken(_ byte: UInt8) -> Bool { isOfWord(byte) || byte == 0x2d || byte == 0x5f }
}
