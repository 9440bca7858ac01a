import Primitives
import TestSupport
import Testing
import YAML

@Suite struct YAMLFuzzTests {
  private static let seeds = [
    "channelLabel: x\nauthorizedNodes:\n  - {nodeId: 12, isAdmin: true}\n  - nodeId: \"a\\u00e9\"\n",
    "a: &x [1, 2]\nb: |\n  text\n  more\nc: >-\n  folded\n? key\n: value\n", "[[[{a: b}, 'c'], \"d\"], ~, !!str 1]",
  ]

  /// For any bytes, the parser ends with a value that can be converted to JSON, or with its own error.
  @Test func anyBytesEndInAValueOrAnError() {
    var random = SplitMix(state: 0x5eed)
    var accepted = 0
    for round in 0..<4_000 {
      var bytes = Array(Self.seeds[round % Self.seeds.count].utf8)
      for _ in 0..<Int.random(in: 0...6, using: &random) { mutate(&bytes, &random) }
      if parse(bytes, "round \(round)") { accepted += 1 }
    }
    #expect(accepted > 400)
  }

  @Test func inputsThatWereKeptEndInAValueOrAnError() throws {
    for (name, bytes) in try FuzzCorpus.inputs(of: "yaml") { _ = parse(bytes, "\(name)") }
  }

  /// - Returns: whether it is a value.
  private func parse(_ bytes: [UInt8], _ name: Comment) -> Bool {
    do throws(KacheryError) {
      let value = try YAMLParser.parse(bytes)
      #expect((try? JSONParser.parse(value.json.compact)) != nil, name)
      return true
    } catch {
      #expect(error.code == .badConfiguration || error.code == .tooLarge, name)
      return false
    }
  }

  private func mutate(_ bytes: inout [UInt8], _ random: inout SplitMix) {
    let place = Int.random(in: 0...bytes.count, using: &random)
    let signs = Array("[]{}:,-?&*!|>'\"%@#\n\t \\\u{0}~<".utf8) + [0x80, 0xff, 0xc3]
    switch Int.random(in: 0..<4, using: &random) {
    case 0: bytes.insert(signs.randomElement(using: &random) ?? 0, at: place)
    case 1 where place < bytes.count: bytes[place] ^= UInt8(1) << UInt8.random(in: 0..<8, using: &random)
    case 2: bytes.removeSubrange(place..<min(place + 3, bytes.count))
    default: bytes.insert(contentsOf: bytes.prefix(place).suffix(20), at: place)
    }
  }
}

/// A small generator with a seed, so that a failing run can be repeated.
private struct SplitMix: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var mixed = (state ^ (state >> 30)) &* 0xbf58_476d_1ce4_e5b9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
    return mixed ^ (mixed >> 31)
  }
}
