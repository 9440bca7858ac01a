/// A point of the curve edwards25519 (RFC 8032, section 5.1), in extended coordinates: x = X/Z, y = Y/Z, xy = T/Z.
///
/// For public values only: the time of an operation may depend on them.
struct EdwardsPoint {
  private var x: FieldElement
  private var y: FieldElement
  private var z: FieldElement
  private var t: FieldElement

  static let identity = EdwardsPoint(x: .zero, y: .one, z: .one, t: .zero)

  /// The point B (RFC 8032, section 5.1).
  static let base: EdwardsPoint = {
    guard let base = EdwardsPoint(encoded: [0x58] + [UInt8](repeating: 0x66, count: 31)) else {
      preconditionFailure("the base point is a point")
    }
    return base
  }()

  private init(x: FieldElement, y: FieldElement, z: FieldElement, t: FieldElement) {
    (self.x, self.y, self.z, self.t) = (x, y, z, t)
  }

  /// The point that these 32 bytes encode (RFC 8032, section 5.1.3); nil if they encode none, or not canonically.
  init?(encoded: ArraySlice<UInt8>) {
    guard encoded.count == 32, let highest = encoded.last, let y = FieldElement(bytes: encoded) else { return nil }
    let square = y.squared
    let (u, v) = (square - .one, square * .curveConstant + .one)
    // The candidate for the root of u/v: u v³ (u v⁷)^((p−5)/8).
    let v3 = v.squared * v
    var x = u * v3 * (u * v3.squared * v).rootPower
    let check = x.squared * v
    if !(check - u).isZero {
      guard (check + u).isZero else { return nil }
      x = x * .rootOfMinusOne
    }
    let isNegative = highest & 0x80 != 0
    guard !(isNegative && x.isZero) else { return nil }
    if x.isOdd != isNegative { x = -x }
    self.init(x: x, y: y, z: .one, t: x * y)
  }

  /// Whether this is the neutral element of addition.
  var isIdentity: Bool { x.isZero && (y - z).isZero && !z.isZero }

  /// A point prepared for repeated addition: y + x, y − x and 2dxy of a point with Z = 1.
  struct Addend {
    let sum: FieldElement
    let difference: FieldElement
    let product: FieldElement

    static prefix func - (addend: Addend) -> Addend {
      Addend(sum: addend.difference, difference: addend.sum, product: -addend.product)
    }
  }

  /// The point prepared for addition.
  var addend: Addend {
    let inverse = z.inverted
    return Addend(affineX: x * inverse, y: y * inverse)
  }

  /// The same for a point known to have Z = 1, such as one that was just decoded.
  var addendOfUnit: Addend { Addend(affineX: x, y: y) }

  /// Twice the point (Hisil and others, "Twisted Edwards curves revisited", 2008).
  @inline(__always)
  var doubled: EdwardsPoint {
    let (a, b) = (x.squared, y.squared)
    let square = z.squared
    let e = (x + y).squared - a - b
    let g = b - a
    let f = g - (square + square)
    let h = -(a + b)
    return EdwardsPoint(x: e * f, y: g * h, z: f * g, t: e * h)
  }

  func doubled(_ times: Int) -> EdwardsPoint {
    var result = self
    for _ in 0..<times { result = result.doubled }
    return result
  }

  @inline(__always)
  static func + (p: EdwardsPoint, q: Addend) -> EdwardsPoint {
    let a = (p.y - p.x) * q.difference
    let b = (p.y + p.x) * q.sum
    let c = p.t * q.product
    return combined(a, b, c, p.z + p.z)
  }

  @inline(__always)
  static func + (p: EdwardsPoint, q: EdwardsPoint) -> EdwardsPoint {
    let a = (p.y - p.x) * (q.y - q.x)
    let b = (p.y + p.x) * (q.y + q.x)
    let c = p.t * q.t * twiceTheConstant
    let d = p.z * q.z
    return combined(a, b, c, d + d)
  }

  @inline(__always)
  private static func combined(
    _ a: FieldElement, _ b: FieldElement, _ c: FieldElement, _ d: FieldElement
  ) -> EdwardsPoint {
    let (e, f, g, h) = (b - a, d - c, d + c, b + a)
    return EdwardsPoint(x: e * f, y: g * h, z: f * g, t: e * h)
  }

  fileprivate static let twiceTheConstant = FieldElement.curveConstant + .curveConstant
}

extension EdwardsPoint.Addend {
  fileprivate init(affineX x: FieldElement, y: FieldElement) {
    self.init(sum: y + x, difference: y - x, product: x * y * EdwardsPoint.twiceTheConstant)
  }
}

extension EdwardsPoint {
  /// The sum of all points, each times its scalar of 128 bits (16 bytes, little-endian), by Pippenger's method: points
  /// with the same digit are added first, and their sum is multiplied by the digit.
  static func sum(of points: [Addend], times scalars: [UInt8]) -> EdwardsPoint {
    precondition(scalars.count == 16 * points.count, "a scalar for each point")
    let digits = SignedDigits(scalars)
    var result = identity
    var buckets = [EdwardsPoint](repeating: identity, count: SignedDigits.largest + 1)
    for place in (0..<SignedDigits.count).reversed() {
      result = result.doubled(8)
      for index in points.indices {
        let digit = Int(digits[place, of: index])
        guard digit != 0 else { continue }
        let bucket = abs(digit)
        buckets[bucket] = buckets[bucket] + (digit > 0 ? points[index] : -points[index])
      }
      // Adds each bucket as often as its digit says, with two additions per bucket.
      var (running, total) = (identity, identity)
      for value in (1...SignedDigits.largest).reversed() {
        running = running + buckets[value]
        total = total + running
        buckets[value] = identity
      }
      result = result + total
    }
    return result
  }
}

/// Scalars of 128 bits as 17 digits from −128 to 128: this needs half as many buckets as digits from 0 to 255.
private struct SignedDigits {
  static let count = 17
  static let largest = 128

  private var digits: [Int16]

  init(_ scalars: [UInt8]) {
    digits = []
    digits.reserveCapacity(scalars.count / 16 * Self.count)
    for start in stride(from: 0, to: scalars.count, by: 16) {
      var carry: Int16 = 0
      for byte in scalars[start..<start + 16] {
        let digit = Int16(byte) + carry
        carry = digit > Self.largest ? 1 : 0
        digits.append(digit - carry * 256)
      }
      digits.append(carry)
    }
  }

  subscript(place: Int, of scalar: Int) -> Int16 { digits[scalar * Self.count + place] }
}
