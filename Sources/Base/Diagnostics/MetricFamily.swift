/// A metric whose values are read when it is asked for, each value with its own labels.
package struct MetricFamily: Sendable {
  package let name: String
  /// What it says, in one sentence.
  package let meaning: String
  /// The values, each with the names and texts of its labels.
  package let values: [(labels: [(name: String, text: String)], value: Double)]

  package init(_ name: String, _ meaning: String, _ values: [(labels: [(name: String, text: String)], value: Double)]) {
    self.name = name
    self.meaning = meaning
    self.values = values
  }

  /// A metric with one value.
  package init(_ name: String, _ meaning: String, _ value: Double) { self.init(name, meaning, [([], value)]) }

  /// A metric with one value for each text of a label.
  package init(_ name: String, _ meaning: String, by label: String, _ values: [(text: String, value: Int)]) {
    self.init(name, meaning, values.map { ([(label, $0.text)], Double($0.value)) })
  }

  /// The Prometheus text exposition format, version 0.0.4.
  package var exposition: String {
    let samples = values.map { labels, value in
      let number = value == value.rounded() && abs(value) < 1e15 ? "\(Int64(value))" : "\(value)"
      return Exposition.sample(name, number, labels: labels)
    }
    return Exposition.family(name, "gauge", meaning, samples.joined())
  }
}
