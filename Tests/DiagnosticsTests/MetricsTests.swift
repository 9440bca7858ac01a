import Diagnostics
import Primitives
import Synchronization
import Testing

@Suite struct MetricsTests {
  @Test func countersAreThereFromTheStart() {
    let metrics = Metrics()
    let counter = metrics.register("things_total", .counter, "Things counted.")
    #expect(metrics.values.map(\.name) == ["things_total"])
    #expect(metrics.values.map(\.value) == [0])
    counter.add(3)
    counter.add()
    #expect(counter.current == 4)
    #expect(
      metrics.exposition == """
        # HELP things_total Things counted.
        # TYPE things_total counter
        things_total 4

        """)
  }

  /// Each of a daemon's two servers counts its requests.
  @Test func aNameIsRegisteredOnce() {
    let metrics = Metrics()
    metrics.register("things_total", .counter, "Things counted.").add(2)
    let again = metrics.register("things_total", .counter, "Things counted.")
    again.add()
    #expect(metrics.values.map(\.value) == [3] && again.current == 3)
  }

  @Test func durationsAreCountedByTheirLength() {
    let metrics = Metrics()
    let histogram = metrics.register("wait_seconds", upTo: [0.1, 1, 10], "Waits.")
    for duration in [Duration.milliseconds(50), .milliseconds(100), .seconds(3), .seconds(3_600)] {
      metrics.register("wait_seconds", upTo: [0.1, 1, 10], "Waits.").add(duration)
    }
    #expect(histogram.bounds == [0.1, 1, 10])
    #expect(metrics.values.isEmpty, "it is no single number")
    #expect(
      metrics.exposition == """
        # HELP wait_seconds Waits.
        # TYPE wait_seconds histogram
        wait_seconds_bucket{le="0.1"} 2
        wait_seconds_bucket{le="1.0"} 2
        wait_seconds_bucket{le="10.0"} 3
        wait_seconds_bucket{le="+Inf"} 4
        wait_seconds_sum 3603.15
        wait_seconds_count 4

        """)
  }

  @Test func familiesAreWrittenAsPrometheusReadsThem() {
    let nodes = MetricFamily("nodes", "Nodes.", by: "path", [("direct", 2), ("a \"b\"\\\n", 0)])
    #expect(
      nodes.exposition == """
        # HELP nodes Nodes.
        # TYPE nodes gauge
        nodes{path="direct"} 2
        nodes{path="a \\"b\\"\\\\\\n"} 0

        """)
    #expect(MetricFamily("time", "Time.", 1_700_000_000.25).exposition.hasSuffix("\ntime 1700000000.25\n"))
  }

  /// However often other nodes cause a line, and without keeping other lines out.
  @Test func eachPlaceAddsABoundedNumberOfLines() {
    let time = Mutex(Instant(nanoseconds: 0))
    let limit = LogLimit(lines: 3, period: .seconds(60)) { time.withLock { $0 } }
    let lines = Mutex<[String]>([])
    let log = Log(minimum: .info, limit: limit) { _, line in lines.withLock { $0.append(line) } }
    func provoke(_ count: Int) -> [String] {
      for number in 0..<count { log.warning("refused \(number)") }
      log.error("own")
      return lines.withLock { lines in
        defer { lines = [] }
        return lines
      }
    }
    let last = "Further lines of this kind are left out for some minutes."
    #expect(provoke(1_000) == ["refused 0", "refused 1", "refused 2 \(last)", "own"])
    #expect(provoke(1_000) == ["own"])
    time.withLock { $0 = $0 + .seconds(60) }
    #expect(provoke(2) == ["refused 0 (1997 lines of this kind were left out.)", "refused 1", "own"])
    time.withLock { $0 = $0 + .seconds(61) }
    #expect(provoke(1) == ["refused 0", "own"])
  }

  @Test func aLineKeepsItsEventAndWhatItIsAbout() {
    let entries = Mutex<[Log.Entry]>([])
    let limit = LogLimit(lines: 1, period: .seconds(60)) { Instant(nanoseconds: 0) }
    let log = Log(minimum: .debug, limit: limit, entries: { entry in entries.withLock { $0.append(entry) } })
    for number in 0..<2 { log.warning("refused \(number)", .linkRefused, about: [.peer("a"), .error("b")]) }
    log.debug("detail")
    let kept = entries.withLock { $0 }
    #expect(kept.map(\.event) == [.linkRefused, nil] && kept.map(\.level) == [.warning, .debug])
    #expect(kept[0].subjects == [.peer("a"), .error("b")] && kept[0].message.contains("left out"))
    #expect(kept[0].place?.file == "DiagnosticsTests/MetricsTests.swift" && kept[1].place == nil)
  }

  @Test func aLogDropsLinesBelowItsLevel() {
    let lines = Mutex<[String]>([])
    let log = Log(minimum: .warning) { level, line in lines.withLock { $0.append("\(level) \(line)") } }
    log.debug("a")
    log.info("b")
    log.warning("c")
    log.error("d")
    #expect(lines.withLock { $0 } == ["warning c", "error d"])
  }
}
