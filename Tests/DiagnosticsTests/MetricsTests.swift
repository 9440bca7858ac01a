import Diagnostics
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
