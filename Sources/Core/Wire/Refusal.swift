import Primitives

/// Why a node does not give what a peer asks it for.
///
/// A node that may not ask is told `notAuthorized` whatever it asks for: the answer says nothing of what is here.
package enum Refusal: UInt8, Error, Sendable, CaseIterable {
  /// The node does not have the file.
  case notHere = 1
  /// The range does not lie in the file.
  case outOfRange = 2
  /// The file is there and cannot be read.
  case unreadable = 3
  /// The node serves as much as it will; the asker may try again later.
  case limitReached = 4
  /// The asker may not ask over this channel, as the answering node reads it.
  case notAuthorized = 5
  /// The file was a link, and its target is not what was linked any more.
  case changed = 6
  /// The node's copy has not its hash and was set aside.
  case damaged = 7
  /// The file is there and too large for a batch; the asker may fetch it in pieces.
  case tooLarge = 8
}

extension ByteReader {
  /// A refusal; one that this version does not know is malformed, because it may mean anything.
  mutating func refusal() throws(ByteReaderError) -> Refusal {
    guard let refusal = Refusal(rawValue: try byte()) else { throw .malformed }
    return refusal
  }
}
