import Primitives
import TestSupport
import Testing

@Suite struct QueueTests {
  /// Compared with an array, which moves the remaining elements each time.
  @Test(arguments: 0..<20)
  func leavesInOrder(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    var queue = Queue<Int>()
    var model: [Int] = []
    for step in 0..<400 {
      switch Int.random(in: 0..<7, using: &random) {
      case 0...1:
        queue.append(step)
        model.append(step)
      case 2:
        let more = (0..<Int.random(in: 0..<5, using: &random)).map { step * 10 + $0 }
        queue.append(contentsOf: more)
        model += more
      case 3: #expect(queue.popFirst() == (model.isEmpty ? nil : model.removeFirst()))
      case 4:
        let count = Int.random(in: 0..<4, using: &random)
        queue.removeFirst(count)
        model.removeFirst(min(count, model.count))
      case 5:
        let divisor = Int.random(in: 2..<8, using: &random)
        queue.removeAll { $0.isMultiple(of: divisor) }
        model.removeAll { $0.isMultiple(of: divisor) }
      default:
        let count = Int.random(in: 0..<10, using: &random)
        #expect(queue.prefix(count) == Array(model.prefix(count)))
      }
      #expect(queue.count == model.count)
      #expect(queue.isEmpty == model.isEmpty)
      #expect(queue.first == model.first)
    }
    queue.removeAll()
    #expect(queue.isEmpty)
  }

  @Test func whatHasLeftIsLetGo() {
    final class Thing {}
    var queue = Queue<Thing>()
    weak var first: Thing?
    do {
      let thing = Thing()
      first = thing
      queue.append(thing)
      for _ in 0..<10 { queue.append(Thing()) }
    }
    #expect(first != nil)
    queue.removeFirst(1)
    #expect(first == nil)
    #expect(queue.count == 10)
  }
}
