/// Bytes that are cheap to generate, for files of any size: a repeated block of prime length.
package enum PatternBytes {
  /// Prime, so that no chunk or buffer repeats the previous one.
  private static let period = 65_537

  /// `count` bytes; each `seed` yields different ones.
  package static func make(_ count: Int, seed: Int = 1) -> [UInt8] {
    let block = (0..<min(count, period)).map { UInt8(truncatingIfNeeded: $0 &* $0 &* 31 &+ ($0 >> 8) &* 7 &+ seed) }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(count)
    while bytes.count + block.count < count { bytes += block }
    return bytes + block.prefix(count - bytes.count)
  }
}
