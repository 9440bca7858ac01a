/// A limit in MB per second by the time of day: `50`, `50,08:00-18:00=5`, `22:00-06:00=100`.
package struct RateSchedule: Hashable, Sendable {
  private struct Period: Hashable, Sendable {
    /// In minutes since midnight. An end before the start is on the next day.
    let start: Int
    let end: Int
    let rate: Double

    func contains(_ minute: Int) -> Bool {
      start <= end ? minute >= start && minute < end : minute >= start || minute < end
    }
  }

  /// Below this, blocks are so rare that the other side would consider this one silent.
  private static let lowest = 0.1

  private var periods: [Period] = []
  /// Outside all periods; nil for no limit.
  private var otherwise: Double?

  /// Reads a schedule.
  ///
  /// - Throws: `badRequest` with the part that cannot be read.
  package init(parsing text: String) throws(KacheryError) {
    for part in text.parts(separatedBy: ",") {
      let sides = part.parts(separatedBy: "=")
      guard let last = sides.last, sides.count <= 2, let rate = Double(last), rate >= Self.lowest, rate < 1e6 else {
        throw Self.refusal(part)
      }
      guard sides.count == 2 else {
        otherwise = rate * 1e6
        continue
      }
      let times = sides[0].parts(separatedBy: "-").map(Self.minute)
      guard times.count == 2, let start = times[0], let end = times[1], start != end else { throw Self.refusal(part) }
      periods.append(Period(start: start, end: end, rate: rate * 1e6))
    }
  }

  /// Bytes per second at this minute since midnight; nil for no limit. The first period that contains it wins.
  package func rate(atMinute minute: Int) -> Double? {
    periods.first { $0.contains(minute) }?.rate ?? otherwise
  }

  private static func minute(_ text: Substring) -> Int? {
    let parts = text.parts(separatedBy: ":")
    guard parts.count == 2, let hour = Int(parts[0]), let minute = Int(parts[1]), (0...24).contains(hour),
      (0...59).contains(minute), hour * 60 + minute <= 1_440
    else { return nil }
    return hour * 60 + minute
  }

  private static func refusal(_ part: Substring) -> KacheryError {
    KacheryError(
      .badRequest,
      "'\(part)' is not a rate: write MB a second, such as 50 or 50,08:00-18:00=5.")
  }
}
