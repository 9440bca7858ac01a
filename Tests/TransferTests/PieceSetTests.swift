import Primitives
import TestSupport
import Testing
import Transfer

@Suite struct PieceSetTests {
  /// It behaves like a set of numbers.
  @Test(arguments: 0..<40 as Range<UInt64>)
  func itIsASetOfPlaces(_ seed: UInt64) {
    var random = SeededRandom(seed: seed)
    let count = random.number(0...60)
    var pieces = PieceSet(0..<count)
    var model = Set(0..<count)
    for _ in 0..<200 {
      let place = random.number(0...63)
      switch random.number(0...4) {
      case 0, 1: (_, _) = (pieces.insert(place), model.insert(place))
      case 2, 3: (_, _) = (pieces.remove(place), model.remove(place))
      default:
        let others = (0..<random.number(0...20)).map { _ in random.number(0...63) }
        pieces.subtract(PieceSet(others))
        model.subtract(others)
      }
      #expect(Array(pieces.places) == model.sorted(), "seed \(seed)")
      #expect(pieces.count == model.count && pieces.first == model.min() && pieces.isEmpty == model.isEmpty)
      #expect(pieces.contains(place) == model.contains(place) && pieces == PieceSet(model))
    }
  }

  @Test func aHugeSetIsOneRange() {
    var pieces = PieceSet(0..<Int.max)
    pieces.remove(1)
    pieces.remove(0)
    pieces.insert(0)
    #expect(pieces.rangeCount == 2 && pieces.count == .max - 1 && pieces.first == 0)
  }

  @Test(arguments: [0, 1, 999, 1_000, 1_001, 12_345, 1_000_000_000_000_000, UInt64.max] as [UInt64])
  func thePiecesOfAPlanFollowOneAnother(_ size: UInt64) throws {
    let hash = try #require(ContentHash(bytes: [UInt8](repeating: 1, count: 20)))
    let plan = DownloadPlan(hash: hash, size: size, stripe: 1_000)
    let pieces = plan.pieces
    #expect(pieces.count == max(1, Int((size / 1_000) + (size % 1_000 > 0 ? 1 : 0))))
    for place in [0, 1, pieces.count / 2, pieces.count - 1] where place < pieces.count {
      #expect(pieces[place].range.start == UInt64(place) * 1_000)
      #expect(pieces[place].range.end == (place == pieces.count - 1 ? size : UInt64(place + 1) * 1_000))
      if size > 0 { #expect(plan.place(of: pieces[place].range) == place) }
    }
  }
}
