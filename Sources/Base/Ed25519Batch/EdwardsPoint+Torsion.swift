extension EdwardsPoint {
  /// The order of the base point: 2²⁵² + 27742317777372353535851937790883648493 (RFC 8032, section 5.1), big-endian.
  static let orderOfBase: [UInt8] =
    [0x10] + [UInt8](repeating: 0, count: 15) + [
      0x14, 0xde, 0xf9, 0xde, 0xa2, 0xf7, 0x9c, 0xd6, 0x58, 0x12, 0x63, 0x1a, 0x5c, 0xf5, 0xd3, 0xed,
    ]

  /// Whether the point is a multiple of the base point: it has no component of small order (2, 4 or 8).
  var isTorsionFree: Bool {
    var result = Self.identity
    for byte in Self.orderOfBase {
      for bit in (0..<8).reversed() {
        result = result.doubled
        if byte >> bit & 1 == 1 { result = result + self }
      }
    }
    return result.isIdentity
  }

  /// Whether eight sums of some of the points have no component of small order. The sum `i` includes the points in whose
  /// byte bit `i` is set.
  ///
  /// If a point has such a component and the bytes are random, each sum has one with a probability of at least 1/2: of
  /// the two sums with and without that point, at most one has none.
  static func areTorsionFree(sumsOf points: [Addend], chosenBy bytes: [UInt8]) -> Bool {
    precondition(bytes.count == points.count, "there must be a byte for each point")
    var buckets = [EdwardsPoint](repeating: identity, count: 256)
    for (point, byte) in zip(points, bytes) { buckets[Int(byte)] = buckets[Int(byte)] + point }
    // The upper half of the buckets has the highest bit set. It is then added to the lower half, for the bits below.
    var half = 128
    while half > 0 {
      var sum = identity
      for index in 0..<half {
        sum = sum + buckets[half + index]
        buckets[index] = buckets[index] + buckets[half + index]
      }
      guard sum.isTorsionFree else { return false }
      half /= 2
    }
    return true
  }
}
