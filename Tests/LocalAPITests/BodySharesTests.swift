import HTTP
import Testing

@testable import LocalAPI

/// How much memory bodies may take, whoever sends them.
@Suite struct BodySharesTests {
  private let page = HTTPHolder("token page", divisor: 8)

  @Test func eachHolderHasItsShare() {
    var shares = BodyShares()
    let largest = 16 << 20
    let taken = (0..<10).map { _ in shares.take(largest, for: page) }
    #expect(taken == [true, true, true, true] + [Bool](repeating: false, count: 6), "an eighth of 512 MiB")
    let others = [shares.take(64 << 20, for: .owner), shares.take(largest, for: HTTPHolder("another", divisor: 8))]
    #expect(others == [true, true])
    shares.release(largest, of: page)
    let again = [shares.take(largest, for: page), shares.take(1, for: page)]
    #expect(again == [true, false])
  }

  @Test func allOthersLeaveAQuarterToTheOwner() {
    var shares = BodyShares()
    let holders = (0..<100).map { HTTPHolder("token \($0)", divisor: 8) }
    for holder in holders { _ = shares.take(64 << 20, for: holder) }
    let full = [shares.take(1, for: HTTPHolder("address", divisor: 2)), shares.take(128 << 20, for: .owner)]
    #expect(full == [false, true])
    let isFull = !shares.take(1, for: .owner)
    #expect(isFull)
    // Whatever is released can be taken again.
    for holder in holders.prefix(6) { shares.release(64 << 20, of: holder) }
    shares.release(128 << 20, of: .owner)
    let isEmpty = shares.take(BodyShares.total, for: .owner)
    #expect(isEmpty)
  }
}
