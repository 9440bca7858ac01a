import Mux
import TestSupport

/// Two ends joined by two pipes that cut the bytes anywhere, controlled by a seed.
struct MuxWorld {
  var ends = [MuxEnd(.client), MuxEnd(.server)]
  var random: SeededRandom
  private var answered: Set<StreamID> = []

  init(seed: UInt64) { random = SeededRandom(seed: seed) }

  /// Lets the owners perform random operations.
  mutating func runAtRandom(steps: Int) throws(MuxError) {
    for _ in 0..<steps {
      let side = random.number(0...1)
      switch random.number(0...99) {
      case 0..<4: open(side)
      case 4..<5: giveUp(side)
      case 5..<7: _ = ends[side].session.ping()
      case 7..<50: push(side)
      case 50..<70: consume(side)
      default: try deliver(from: side, atMost: random.number(1...80_000))
      }
    }
  }

  /// Sends, delivers and consumes until nothing is left to do.
  mutating func finish() throws(MuxError) {
    for round in 0..<10_000 where round == 0 || isBusy {
      for side in 0...1 {
        for id in ends[side].unsent.keys.sorted() { ends[side].push(id, limit: .max) }
        try deliver(from: side, atMost: .max)
        let other = 1 - side
        for (id, count) in ends[other].unconsumed where count > 0 { ends[other].consume(count, on: id) }
      }
    }
  }

  /// The violations.
  func complaints() -> [String] {
    var complaints = ends.flatMap(\.violations)
    if isBusy { complaints.append("it does not end") }
    for side in 0...1 {
      let (sender, receiver) = (ends[side], ends[1 - side])
      if sender.session.openStreams > 0 { complaints.append("\(sender.session.openStreams) streams stay open") }
      for (id, bytes) in sender.sent {
        let received = receiver.received[id] ?? []
        let isWhole = received == bytes && receiver.finished.contains(id)
        let wasReset = sender.reset.contains(id) || receiver.reset.contains(id)
        if !isWhole, !(wasReset && bytes.starts(with: received)) { complaints.append("\(id.number) arrived wrongly") }
      }
    }
    return complaints
  }

  private var isBusy: Bool {
    ends.contains { end in !end.unsent.isEmpty || !end.wire.isEmpty }
  }

  private mutating func open(_ side: Int) {
    let window = random.number(0...1) * random.number(0...1 << 20)
    _ = ends[side].open(window: window, sending: random.bytes(random.number(0...1) * random.number(0...400_000)))
  }

  private mutating func giveUp(_ side: Int) {
    guard let id = ends[side].unsent.keys.sorted().randomElement(using: &random) else { return }
    ends[side].giveUp(id)
  }

  private mutating func push(_ side: Int) {
    guard let id = ends[side].unsent.keys.sorted().randomElement(using: &random) else { return }
    ends[side].push(id, limit: random.number(1...100_000))
  }

  private mutating func consume(_ side: Int) {
    guard let id = ends[side].unconsumed.keys.sorted().randomElement(using: &random),
      let count = ends[side].unconsumed[id], count > 0
    else { return }
    ends[side].consume(random.number(1...count), on: id)
  }

  private mutating func deliver(from side: Int, atMost limit: Int) throws(MuxError) {
    ends[side].flush()
    let part = ends[side].wire.prefix(limit)
    try ends[1 - side].receive(part)
    ends[side].wire.removeFirst(part.count)
    // Answers on each stream that the other side opened.
    for id in ends[1 - side].opened where !ends[1 - side].reset.contains(id) && answered.insert(id).inserted {
      ends[1 - side].send(random.bytes(random.number(0...100_000)), on: id)
    }
  }
}
