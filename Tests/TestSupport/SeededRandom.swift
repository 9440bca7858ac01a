import Glibc

/// Random numbers determined by a seed, so that a failing test can be repeated: SplitMix64 (Steele, Lea and Flood).
///
/// A test that uses it names the seed in its failure messages.
package struct SeededRandom: RandomNumberGenerator, Sendable {
  private var state: UInt64

  /// Added by `make fuzz` to every seed, so that each round tries other inputs: the variable KACHERY_SEED_OFFSET.
  private static let offset = getenv("KACHERY_SEED_OFFSET").flatMap { UInt64(String(cString: $0)) } ?? 0

  /// The sequence of `seed`, the same in every run.
  package init(seed: UInt64) { state = seed &+ Self.offset }

  package mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
    return mixed ^ (mixed >> 31)
  }

  /// True in `part` of a hundred cases.
  package mutating func chance(_ part: Int) -> Bool { Int.random(in: 0..<100, using: &self) < part }

  /// A number from a range.
  package mutating func number(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &self) }

  /// `count` bytes.
  package mutating func bytes(_ count: Int) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(count + 8)
    while bytes.count < count { withUnsafeBytes(of: next()) { bytes.append(contentsOf: $0) } }
    bytes.removeLast(bytes.count - count)
    return bytes
  }

  /// The bytes with a few of them changed, removed, repeated or cut off.
  package mutating func mutated(_ bytes: [UInt8]) -> [UInt8] {
    var bytes = bytes
    for _ in 0..<number(1...4) where !bytes.isEmpty {
      let place = number(0...bytes.count - 1)
      switch number(0...5) {
      case 0: bytes[place] ^= 1 << UInt8(number(0...7))
      case 1: bytes[place] = [0, 1, 0x7f, 0x80, 0xff][number(0...4)]
      case 2: bytes.remove(at: place)
      case 3: bytes.insert(UInt8(number(0...255)), at: place)
      case 4: bytes.removeLast(bytes.count - place)
      default: bytes.insert(contentsOf: bytes[place...].prefix(number(1...16)), at: place)
      }
    }
    return bytes
  }
}
