/// A number modulo p = 2²⁵⁵ − 19, in five limbs of 51 bits (Bernstein and others, "High-speed high-security signatures",
/// 2011).
///
/// For public values only: the time of an operation may depend on them.
struct FieldElement {
  private static let mask: UInt64 = (1 << 51) - 1

  // Each is below 2⁵², except for a moment after an addition.
  private var a: UInt64
  private var b: UInt64
  private var c: UInt64
  private var d: UInt64
  private var e: UInt64

  @inline(__always)
  private init(_ a: UInt64, _ b: UInt64, _ c: UInt64, _ d: UInt64, _ e: UInt64) {
    (self.a, self.b, self.c, self.d, self.e) = (a, b, c, d, e)
  }

  static let zero = FieldElement(0, 0, 0, 0, 0)
  static let one = FieldElement(1, 0, 0, 0, 0)
  /// −121665/121666, the constant of the curve (RFC 8032, section 5.1).
  static let curveConstant = FieldElement(
    0x34d_ca13_5978_a3, 0x1a8_283b_156e_bd, 0x5e7_a260_01c0_29, 0x739_c663_a03c_bb, 0x520_36ce_e2b6_ff)
  /// A square root of −1.
  static let rootOfMinusOne = FieldElement(
    0x61b_274a_0ea0_b0, 0xd5_a5fc_8f18_9d, 0x7ef_5e9c_bd0c_60, 0x785_95a6_804c_9e, 0x2b8_3248_04fc_1d)

  /// The number in 32 little-endian bytes, ignoring the highest bit; nil unless it is below p.
  init?(bytes: ArraySlice<UInt8>) {
    var words: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)
    withUnsafeMutableBytes(of: &words) { $0.copyBytes(from: bytes.prefix(32)) }
    let (p, q, r, s) = (
      UInt64(littleEndian: words.0), UInt64(littleEndian: words.1), UInt64(littleEndian: words.2),
      UInt64(littleEndian: words.3) & UInt64.max >> 1
    )
    self.init(
      p & Self.mask, (p >> 51 | q << 13) & Self.mask, (q >> 38 | r << 26) & Self.mask,
      (r >> 25 | s << 39) & Self.mask, s >> 12)
    guard self.words == (p, q, r, s) else { return nil }
  }

  /// The reduced number in 32 little-endian bytes.
  var bytes: [UInt8] {
    let words = words
    return [words.0, words.1, words.2, words.3].flatMap { word in
      (0..<8).map { UInt8(truncatingIfNeeded: word >> (8 * $0)) }
    }
  }

  /// The reduced number, lowest word first.
  private var words: (UInt64, UInt64, UInt64, UInt64) {
    var n = carried.carried
    // Tests for p or more: adding 19 then carries out of the highest limb.
    var carry = (n.a &+ 19) >> 51
    carry = (n.b &+ carry) >> 51
    carry = (n.c &+ carry) >> 51
    carry = (n.d &+ carry) >> 51
    carry = (n.e &+ carry) >> 51
    n.a = n.a &+ 19 &* carry
    n.b = n.b &+ n.a >> 51
    n.c = n.c &+ n.b >> 51
    n.d = n.d &+ n.c >> 51
    n.e = n.e &+ n.d >> 51
    let m = Self.mask
    return (
      n.a & m | n.b << 51, (n.b & m) >> 13 | n.c << 38, (n.c & m) >> 26 | n.d << 25, (n.d & m) >> 39 | (n.e & m) << 12
    )
  }

  var isZero: Bool { words == (0, 0, 0, 0) }

  var isOdd: Bool { words.0 & 1 == 1 }

  @inline(__always)
  private var carried: FieldElement {
    let m = Self.mask
    return FieldElement(
      a & m &+ 19 &* (e >> 51), b & m &+ a >> 51, c & m &+ b >> 51, d & m &+ c >> 51, e & m &+ d >> 51)
  }

  @inline(__always)
  static func + (x: FieldElement, y: FieldElement) -> FieldElement {
    FieldElement(x.a &+ y.a, x.b &+ y.b, x.c &+ y.c, x.d &+ y.d, x.e &+ y.e)
  }

  @inline(__always)
  static func - (x: FieldElement, y: FieldElement) -> FieldElement {
    // Adds 16 p first, so that no limb underflows.
    let (low, high): (UInt64, UInt64) = (0x7f_ffff_ffff_fed0, 0x7f_ffff_ffff_fff0)
    return FieldElement(
      x.a &+ low &- y.a, x.b &+ high &- y.b, x.c &+ high &- y.c, x.d &+ high &- y.d, x.e &+ high &- y.e
    ).carried
  }

  static prefix func - (x: FieldElement) -> FieldElement { zero - x }

  @inline(__always)
  private static func product(_ x: UInt64, _ y: UInt64) -> UInt128 {
    UInt128(truncatingIfNeeded: x) &* UInt128(truncatingIfNeeded: y)
  }

  /// The product. Limbs of both factors must be below 2⁵⁴.
  @inline(__always)
  static func * (x: FieldElement, y: FieldElement) -> FieldElement {
    let (b19, c19, d19, e19) = (19 &* y.b, 19 &* y.c, 19 &* y.d, 19 &* y.e)
    let p =
      product(x.a, y.a) &+ product(x.b, e19) &+ product(x.c, d19) &+ product(x.d, c19) &+ product(x.e, b19)
    let q =
      product(x.a, y.b) &+ product(x.b, y.a) &+ product(x.c, e19) &+ product(x.d, d19) &+ product(x.e, c19)
    let r =
      product(x.a, y.c) &+ product(x.b, y.b) &+ product(x.c, y.a) &+ product(x.d, e19) &+ product(x.e, d19)
    let s =
      product(x.a, y.d) &+ product(x.b, y.c) &+ product(x.c, y.b) &+ product(x.d, y.a) &+ product(x.e, e19)
    let t =
      product(x.a, y.e) &+ product(x.b, y.d) &+ product(x.c, y.c) &+ product(x.d, y.b) &+ product(x.e, y.a)
    return reduced(p, q, r, s, t)
  }

  /// The square. Limbs must be below 2⁵⁴.
  @inline(__always)
  var squared: FieldElement {
    let (a2, b2, d19, e19) = (2 &* a, 2 &* b, 19 &* d, 19 &* e)
    let p = Self.product(a, a) &+ Self.product(b2, e19) &+ Self.product(2 &* c, d19)
    let q = Self.product(a2, b) &+ Self.product(2 &* c, e19) &+ Self.product(d, d19)
    let r = Self.product(a2, c) &+ Self.product(b, b) &+ Self.product(2 &* d, e19)
    let s = Self.product(a2, d) &+ Self.product(b2, c) &+ Self.product(e, e19)
    let t = Self.product(a2, e) &+ Self.product(b2, d) &+ Self.product(c, c)
    return Self.reduced(p, q, r, s, t)
  }

  @inline(__always)
  private static func reduced(_ p: UInt128, _ q: UInt128, _ r: UInt128, _ s: UInt128, _ t: UInt128) -> FieldElement {
    @inline(__always)
    func low(_ sum: UInt128) -> UInt64 { UInt64(truncatingIfNeeded: sum) & mask }
    @inline(__always)
    func carry(_ sum: UInt128) -> UInt128 { sum &>> 51 }
    let q = q &+ carry(p)
    let r = r &+ carry(q)
    let s = s &+ carry(r)
    let t = t &+ carry(s)
    let a = low(p) &+ 19 &* UInt64(truncatingIfNeeded: carry(t))
    return FieldElement(a & mask, low(q) &+ a >> 51, low(r), low(s), low(t))
  }

  private func squared(_ times: Int) -> FieldElement {
    var result = self
    for _ in 0..<times { result = result.squared }
    return result
  }

  /// x^(2²⁵² − 3), the power from which square roots are computed.
  var rootPower: FieldElement { ones250.squared(2) * self }

  /// 1/x, or 0 if x is 0: x^(p − 2) = x^(2²⁵⁵ − 21).
  var inverted: FieldElement { ones250.squared(5) * squared(3) * squared * self }

  /// x^(2²⁵⁰ − 1).
  private var ones250: FieldElement {
    func doubled(_ power: FieldElement, _ bits: Int) -> FieldElement { power.squared(bits) * power }
    let ones2 = doubled(self, 1)
    let ones4 = doubled(ones2, 2)
    let ones5 = ones4.squared * self
    let ones10 = doubled(ones5, 5)
    let ones20 = doubled(ones10, 10)
    let ones40 = doubled(ones20, 20)
    let ones50 = ones40.squared(10) * ones10
    let ones100 = doubled(ones50, 50)
    let ones200 = doubled(ones100, 100)
    return ones200.squared(50) * ones50
  }
}
