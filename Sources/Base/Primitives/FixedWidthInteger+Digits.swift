extension FixedWidthInteger {
  /// The number that these decimal digits spell; nil if there is anything else, such as the `+` that Swift takes.
  init?(digits: Substring) {
    guard digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
    self.init(digits)
  }
}
