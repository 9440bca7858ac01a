/// An entry of the journal, in its native protocol (systemd.io/JOURNAL_NATIVE_PROTOCOL): fields with names and bytes.
package struct JournalEntry {
  /// Most bytes of a value; more are cut off.
  package static let longestValue = 16 << 10
  /// Most bytes of an entry, well within what a datagram holds; further fields are left out.
  package static let longestEntry = 64 << 10
  /// The journal ignores longer names.
  private static let longestName = 64

  /// The entry as the journal receives it.
  package private(set) var datagram: [UInt8] = []

  package init() {}

  /// Adds a field. The name consists of upper-case letters, digits and underscores and begins with a letter; a field with
  /// another name is left out, as the journal would.
  package mutating func add(_ name: String, _ value: some Collection<UInt8>) {
    guard Self.isName(name.utf8) else { return }
    let kept = Self.cut(value)
    var field = Array(name.utf8)
    // A value of one line is text; any other comes with its length.
    if kept.contains(UInt8(ascii: "\n")) {
      field.append(UInt8(ascii: "\n"))
      let count = UInt64(kept.count)
      field += (0..<8).map { UInt8(truncatingIfNeeded: count >> (8 * $0)) }
    } else {
      field.append(UInt8(ascii: "="))
    }
    field += kept
    field.append(UInt8(ascii: "\n"))
    guard datagram.count + field.count <= Self.longestEntry else { return }
    datagram += field
  }

  /// Adds a field whose value is text.
  package mutating func add(_ name: String, _ text: String) { add(name, Array(text.utf8)) }

  private static func isName(_ name: String.UTF8View) -> Bool {
    guard let first = name.first, (0x41...0x5a).contains(first), name.count <= longestName else { return false }
    return name.allSatisfy { (0x41...0x5a).contains($0) || (0x30...0x39).contains($0) || $0 == UInt8(ascii: "_") }
  }

  /// The beginning of a long value, which does not end within a character of UTF-8.
  private static func cut(_ value: some Collection<UInt8>) -> [UInt8] {
    var kept = Array(value.prefix(longestValue))
    guard value.count > kept.count else { return kept }
    while let last = kept.last, last & 0xc0 == 0x80 { kept.removeLast() }
    if let last = kept.last, last >= 0xc0 { kept.removeLast() }
    return kept
  }
}
