import HTTP
import Primitives
import TestSupport
import Testing

/// Which connections a server closes, under simulated time.
@Suite struct ConnectionTableTests {
  private typealias Table = ConnectionTable
  private let here = HTTPOrigin.address(1)
  private let there = HTTPOrigin.address(2)

  private func time(_ seconds: Double) -> Instant { Instant(nanoseconds: UInt64(seconds * 1e9)) }

  @Test func aHeadHasADeadlineThatNothingExtends() {
    var table = Table(limit: 10)
    let first = table.accept(from: here, at: time(0)).number
    let second = table.accept(from: here, at: time(5)).number
    #expect(table.removeOverdue(at: time(9.9)) == [])
    #expect(table.removeOverdue(at: time(10)) == [first])
    #expect(table.removeOverdue(at: time(14.9)) == [])
    #expect(table.removeOverdue(at: time(100)) == [second])
    #expect(table.count == 0)
  }

  @Test func anAnswerMayTakeForeverAndTheNextHeadMayNot() {
    var table = Table(limit: 10)
    let number = table.accept(from: here, at: time(0)).number
    table.receivedHead(number, at: time(1))
    for second in 1..<4_000 { table.noteBody(of: number, received: nil, at: time(Double(second))) }
    #expect(table.removeOverdue(at: time(4_000)) == [])
    table.answered(number, at: time(4_000))
    #expect(table.removeOverdue(at: time(4_029)) == [])
    #expect(table.removeOverdue(at: time(4_030)) == [number])
  }

  /// One byte per second, against the least rate: the same silence is granted to a short and to a long body.
  @Test(arguments: [(rate: UInt64(1), isClosed: true), (rate: Table.leastBodyRate, isClosed: false)])
  func aByteNowAndThenExtendsNothing(rate: UInt64, isClosed: Bool) {
    var table = Table(limit: 10)
    let number = table.accept(from: here, at: time(0)).number
    table.receivedHead(number, at: time(0))
    for second in 1...120 {
      table.noteBody(of: number, received: UInt64(second) * rate, at: time(Double(second)))
    }
    #expect(table.removeOverdue(at: time(120)) == (isClosed ? [number] : []))
  }

  /// While the server itself is slow, as with a slow disk, the client's time does not pass.
  @Test func aClientIsNotBlamedForASlowServer() {
    var table = Table(limit: 10)
    let number = table.accept(from: here, at: time(0)).number
    table.receivedHead(number, at: time(0))
    for second in 1...600 {
      table.noteBody(of: number, received: second % 30 == 0 ? UInt64(second) : nil, at: time(Double(second)))
    }
    #expect(table.removeOverdue(at: time(600)) == [])
  }

  @Test func theNewestConnectionAlwaysGetsIn() {
    var table = Table(limit: 10)
    var closed: [Table.Number] = []
    for second in 0..<1_000 {
      let (_, closing) = table.accept(from: here, at: time(Double(second) / 1_000))
      if let closing { closed.append(closing) }
    }
    // One origin occupies half of the connections at most; the oldest of them go, in order.
    #expect(table.count == 5)
    #expect(closed == Array(1...995))
  }

  @Test func theOriginWithTheMostConnectionsMakesRoom() {
    var table = Table(limit: 10)
    let quiet = (0..<2).map { _ in table.accept(from: there, at: time(0)).number }
    for address in 10..<13 {
      for _ in 0..<100 { _ = table.accept(from: .address(UInt32(address)), at: time(1)) }
    }
    #expect(table.count == 10)
    let late = table.removeOverdue(at: time(10))
    #expect(late == quiet, "nobody closed those of the quiet origin before their deadline")
  }

  @Test func provedConnectionsStayWhileTheyAreServed() {
    var table = Table(limit: 10)
    let served = (0..<7).map { _ in
      let number = table.accept(from: here, at: time(0)).number
      table.receivedHead(number, at: time(0))
      #expect(table.claim(number, for: .owner, waits: false) == true)
      return number
    }
    for number in served[..<3] { table.answered(number, at: time(1)) }
    var closed: [Table.Number] = []
    for index in 0..<6 {
      let (number, closing) = table.accept(from: .address(UInt32(10 + index)), at: time(2))
      table.receivedHead(number, at: time(2))
      #expect(table.claim(number, for: .owner, waits: false) == true)
      if let closing { closed.append(closing) }
    }
    #expect(closed == Array(served[..<3]), "idle ones, the oldest first")
    #expect(table.count == 10)
  }

  @Test func aHolderHasItsPartAndTheOwnerHasRoom() {
    var table = Table(limit: 80)
    func request(_ holder: HTTPHolder, waits: Bool = true) -> (number: Table.Number, isServed: Bool) {
      let number = table.accept(from: here, at: time(0)).number
      table.receivedHead(number, at: time(0))
      let isServed = table.claim(number, for: holder, waits: waits)
      if !isServed { table.remove(number) }
      return (number, isServed)
    }
    let page = HTTPHolder("page", divisor: 8)
    var numbers: [Table.Number] = []
    for _ in 0..<10 {
      let (number, isServed) = request(page)
      #expect(isServed)
      numbers.append(number)
    }
    #expect(!request(page).isServed)
    #expect(!request(page, waits: false).isServed, "a limited holder could be slow to read any answer")
    table.answered(numbers[0], at: time(0))
    table.remove(numbers[1])
    #expect(request(page).isServed && request(page).isServed && !request(page).isServed)
    // All limited holders together leave a quarter, and requests that wait leave an eighth.
    for index in 0..<100 { _ = request(HTTPHolder("user \(index)", divisor: 4)) }
    #expect((0..<11).map { _ in request(.owner).isServed } == Array(repeating: true, count: 10) + [false])
    #expect((0..<1_000).allSatisfy { _ in request(.owner, waits: false).isServed })
  }

  /// Whatever happens in whatever order, the numbers stay consistent.
  @Test func nothingIsForgottenOrKept() {
    var (table, random) = (Table(limit: 16), SeededRandom(seed: 24))
    var open: Set<Table.Number> = []
    for step in 0..<20_000 {
      let now = time(Double(step) / 100)
      switch Int.random(in: 0..<5, using: &random) {
      case 0, 1:
        let (number, closing) = table.accept(from: .address(.random(in: 0..<4, using: &random)), at: now)
        open.insert(number)
        if let closing { #expect(open.remove(closing) == closing) }
      case 2:
        guard let number = open.sorted().randomElement(using: &random) else { continue }
        table.receivedHead(number, at: now)
        let holder = Bool.random(using: &random) ? HTTPHolder.owner : HTTPHolder("page", divisor: 2)
        if !table.claim(number, for: holder, waits: Bool.random(using: &random)) { table.answered(number, at: now) }
      case 3:
        if let number = open.sorted().randomElement(using: &random) { table.answered(number, at: now) }
      default:
        if let number = open.sorted().randomElement(using: &random) {
          table.remove(number)
          open.remove(number)
        }
        open.subtract(table.removeOverdue(at: now))
      }
      #expect(table.count == open.count && table.count <= 16)
    }
    for number in open { table.remove(number) }
    let last = table.accept(from: here, at: time(1_000)).number
    #expect(
      table.claim(last, for: HTTPHolder("page", divisor: 16), waits: true) == true, "no holder has a request left")
  }
}
