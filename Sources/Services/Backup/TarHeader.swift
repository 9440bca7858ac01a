/// The header of a file in a tar archive (POSIX.1-1988, "ustar"), in the one form that a backup has: a regular file that
/// only its owner may read.
struct TarHeader: Hashable {
  /// Bytes of a header; the content of a file is padded to a multiple.
  static let blockSize = 512
  private static let longestName = 100
  /// Larger files have their size in the binary form of GNU tar, which other programs read as well.
  private static let mostInOctal: UInt64 = 0o777_7777_7777

  let name: String
  let size: UInt64
  /// Seconds since 1970.
  let modified: UInt64

  init(name: String, size: UInt64, modified: UInt64) {
    precondition(name.utf8.count <= Self.longestName && modified <= Self.mostInOctal, "the names of parts are short")
    (self.name, self.size, self.modified) = (name, size, modified)
  }

  /// Reads a header; nil if it is not in exactly the form that `block` has.
  init?(_ block: [UInt8]) {
    guard block.count == Self.blockSize,
      let name = String(validating: block[..<Self.longestName].prefix { $0 != 0 }, as: UTF8.self), !name.isEmpty,
      let size = Self.number(block[124..<136]), let modified = Self.number(block[136..<148]),
      modified <= Self.mostInOctal
    else { return nil }
    self.init(name: name, size: size, modified: modified)
    guard self.block == block else { return nil }
  }

  /// The bytes after the content that fill its last block.
  var padding: Int { Int((UInt64(Self.blockSize) - size % UInt64(Self.blockSize)) % UInt64(Self.blockSize)) }

  /// The header's bytes.
  var block: [UInt8] {
    var block = [UInt8](repeating: 0, count: Self.blockSize)
    func put(_ text: String, at offset: Int) {
      for (index, byte) in text.utf8.enumerated() { block[offset + index] = byte }
    }
    put(name, at: 0)
    put("0000600", at: 100)
    put("0000000", at: 108)
    put("0000000", at: 116)
    if size <= Self.mostInOctal {
      put(Self.octal(size, digits: 11), at: 124)
    } else {
      block[124] = 0x80
      for index in 0..<8 { block[128 + index] = UInt8(truncatingIfNeeded: size >> UInt64(8 * (7 - index))) }
    }
    put(Self.octal(modified, digits: 11), at: 136)
    put("        ", at: 148)
    put("0", at: 156)
    put("ustar", at: 257)
    put("00", at: 263)
    put("0000000", at: 329)
    put("0000000", at: 337)
    let sum = block.reduce(0 as UInt64) { $0 + UInt64($1) }
    put(Self.octal(sum, digits: 6), at: 148)
    block[154] = 0
    return block
  }

  private static func octal(_ number: UInt64, digits: Int) -> String {
    let text = String(number, radix: 8)
    return String(repeating: "0", count: max(0, digits - text.utf8.count)) + text
  }

  private static func number(_ field: ArraySlice<UInt8>) -> UInt64? {
    if field.first == 0x80 {
      guard field.dropFirst().prefix(3).allSatisfy({ $0 == 0 }) else { return nil }
      return field.suffix(8).reduce(0) { $0 << 8 | UInt64($1) }
    }
    let digits = field.prefix { $0 != 0 }
    guard !digits.isEmpty, digits.allSatisfy({ (0x30...0x37).contains($0) }) else { return nil }
    return digits.reduce(0) { $0 << 3 | UInt64($1 - 0x30) }
  }
}
