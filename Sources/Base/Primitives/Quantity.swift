/// Numbers with units, as people read them.
package enum Quantity {
  /// A number of bytes in decimal units with three digits: `1.23 GB`.
  package static func bytes(_ count: Double) -> String {
    var value = count
    var unit = 0
    let units = ["B", "kB", "MB", "GB", "TB", "PB"]
    while value >= 999.5, unit < units.count - 1 {
      value /= 1_000
      unit += 1
    }
    guard unit > 0 else { return "\(Int(value)) B" }
    return "\(threeDigits(value)) \(units[unit])"
  }

  /// A number in groups of three digits: `1,234,567`.
  package static func count(_ number: some BinaryInteger) -> String {
    let digits = Array("\(number.magnitude)")
    let groups = stride(from: digits.count, to: 0, by: -3).map { String(digits[max(0, $0 - 3)..<$0]) }
    return (number < 0 ? "-" : "") + groups.reversed().joined(separator: ",")
  }

  /// A short time, such as a round trip: `0.42 ms`, `1.5 s`.
  package static func time(_ time: Duration) -> String {
    let milliseconds = max(0, time / .milliseconds(1))
    return milliseconds < 999.5 ? "\(threeDigits(milliseconds)) ms" : "\(threeDigits(milliseconds / 1_000)) s"
  }

  /// A long time, in its two largest units: `90 s` is `1 min`, `90 min` is `1 h 30 min`.
  package static func age(_ seconds: Int) -> String {
    switch seconds {
    case ..<60: "\(seconds) s"
    case ..<3_600: "\(seconds / 60) min"
    case ..<86_400: "\(seconds / 3_600) h \(seconds % 3_600 / 60) min"
    default: "\(seconds / 86_400) d \(seconds % 86_400 / 3_600) h"
    }
  }

  /// The bytes in a number of GiB such as `500` or `0.5`; nil if it is not a number above 0 and below a billion.
  package static func bytes(gibibytes text: String) -> UInt64? {
    guard text.utf8.allSatisfy({ (0x30...0x39).contains($0) || ".eE+-".utf8.contains($0) }), let number = Double(text),
      number > 0, number < 1e9
    else { return nil }
    return UInt64(number * 1_073_741_824)
  }

  private static func threeDigits(_ value: Double) -> String {
    let decimals = value < 9.995 ? 100.0 : value < 99.95 ? 10.0 : 1.0
    let rounded = (value * decimals).rounded() / decimals
    return decimals == 1 ? "\(Int(rounded))" : "\(rounded)"
  }
}
