extension FixedWidthInteger {
  /// The number that these decimal digits spell; nil for any other character, such as the `+` that Swift accepts.
  init?(digits: Substring) {
    guard digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
    self.init(digits)
  }
}
