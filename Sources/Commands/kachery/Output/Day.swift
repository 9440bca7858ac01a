/// A day and a time in Coordinated Universal Time, as a listing shows it.
struct Day: CustomStringConvertible {
  let seconds: Int

  /// `2026-11-21 05:37`; by the rules of the Gregorian calendar
  /// (https://howardhinnant.github.io/date_algorithms.html#civil_from_days).
  var description: String {
    let days = seconds / 86_400 + 719_468
    let era = days / 146_097
    let dayOfEra = days % 146_097
    let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let shifted = (5 * dayOfYear + 2) / 153
    let day = dayOfYear - (153 * shifted + 2) / 5 + 1
    let month = shifted < 10 ? shifted + 3 : shifted - 9
    let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
    func two(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }
    return "\(year)-\(two(month))-\(two(day)) \(two(seconds % 86_400 / 3_600)):\(two(seconds % 3_600 / 60))"
  }
}
