package import Primitives

/// The parts of a file that another node must send to prove that it has the file: bytes that it cannot know in advance.
///
/// Of a small file, that is all of it. A larger one is divided into as many stretches as there are parts, and a part
/// begins at a random byte of each. A node that lacks one per cent of the bytes passes at most one time in 171
/// (0.99^512), whichever bytes it lacks; one that lacks a hundredth in one piece never does.
package struct PossessionChallenge: Sendable {
  /// The number of random parts.
  package static let parts: UInt64 = 512
  /// Bytes in each of them.
  package static let partLength: UInt64 = 4_096

  /// The parts, in the order of the file. They may overlap.
  package let ranges: [ByteRange]

  /// - Parameters:
  ///   - size: of the file, in bytes.
  ///   - random: a source that the other node cannot foresee.
  package init(ofFileWith size: UInt64, random: inout some RandomNumberGenerator) {
    guard size > Self.parts * Self.partLength else {
      ranges = size == 0 ? [] : [ByteRange(whole: size)]
      return
    }
    let (length, more) = size.quotientAndRemainder(dividingBy: Self.parts)
    func start(of stretch: UInt64) -> UInt64 { stretch * length + min(stretch, more) }
    func part(at start: UInt64) -> ByteRange? { ByteRange(start: start, end: min(start + Self.partLength, size)) }
    let inside = (0..<Self.parts).compactMap { stretch in
      part(at: UInt64.random(in: start(of: stretch)..<start(of: stretch + 1), using: &random))
    }
    // A copy that was cut short lacks the end.
    ranges = [part(at: 0)].compactMap(\.self) + inside + [part(at: size - Self.partLength)].compactMap(\.self)
  }
}
