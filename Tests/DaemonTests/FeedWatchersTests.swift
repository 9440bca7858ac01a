import Primitives
import TestSupport
import Testing

@testable import Daemon

@Suite struct FeedWatchersTests {
  private let one = SubfeedKey(.filled(with: 1), .filled(with: 1))
  private let two = SubfeedKey(.filled(with: 1), .filled(with: 2))
  private let three = SubfeedKey(.filled(with: 1), .filled(with: 3))

  @Test func aWatcherHearsOfItsOwnSubfeedsOnly() {
    var watchers = FeedWatchers()
    let watcher = watchers.add([one, two])
    var wakes = 0
    watcher.whenTouched { wakes += 1 }
    watchers.touch(three)
    #expect(wakes == 0)
    watchers.touch(two)
    #expect(wakes == 1)
    watchers.touch(one)
    #expect(wakes == 1, "once for each time that it waits")
    #expect(!watcher.hasEnded)
  }

  /// Messages that arrive while the client is busy are not lost, and are reported once.
  @Test func messagesBetweenTwoWaitsCount() {
    var watchers = FeedWatchers()
    let watcher = watchers.add([one])
    var wakes = 0
    watchers.touch(one)
    watchers.touch(one)
    watcher.whenTouched { wakes += 1 }
    #expect(wakes == 1)
    watcher.whenTouched { wakes += 1 }
    #expect(wakes == 1)
    watchers.touch(one)
    #expect(wakes == 2)
  }

  @Test func everyWatcherOfASubfeedIsNotified() {
    var watchers = FeedWatchers()
    var woken: [Int] = []
    for number in 0..<3 { watchers.add([one, two]).whenTouched { woken.append(number) } }
    watchers.touch(one)
    #expect(woken.sorted() == [0, 1, 2])
  }

  @Test func aWatcherThatIsRemovedHearsNothing() {
    var watchers = FeedWatchers()
    let (gone, left) = (watchers.add([one]), watchers.add([one]))
    var woken: [String] = []
    gone.whenTouched { woken.append("gone") }
    left.whenTouched { woken.append("left") }
    watchers.remove(gone)
    watchers.remove(gone)
    watchers.touch(one)
    watchers.end(gone.number)
    #expect(woken == ["left"] && !gone.hasEnded)
  }

  @Test func theEndWakesAndStays() {
    var watchers = FeedWatchers()
    let (waiting, busy, other) = (watchers.add([one]), watchers.add([one]), watchers.add([two]))
    var woken: [String] = []
    waiting.whenTouched { woken.append("waiting") }
    other.whenTouched { woken.append("other") }
    watchers.end(waiting.number)
    watchers.end(busy.number)
    watchers.end(99)
    #expect(woken == ["waiting"] && waiting.hasEnded && busy.hasEnded && !other.hasEnded)
    busy.whenTouched { woken.append("busy") }
    #expect(woken == ["waiting", "busy"])
    watchers.endAll()
    #expect(woken == ["waiting", "busy", "other"] && other.hasEnded)
  }
}
