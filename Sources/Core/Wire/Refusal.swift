import Primitives

/// Why a node refuses a peer's request.
///
/// A node without permission always gets `notAuthorized`: the answer reveals nothing about stored files.
package enum Refusal: UInt8, Error, Sendable, CaseIterable {
  /// The node does not have the file.
  case notHere = 1
  /// The range is not in the file.
  case outOfRange = 2
  /// The file is stored but cannot be read.
  case unreadable = 3
  /// The node serves its maximum; the peer may retry later.
  case limitReached = 4
  /// The peer has no permission over this channel, according to the answering node.
  case notAuthorized = 5
  /// The file was a link, and its target has changed.
  case changed = 6
  /// The node's copy does not have its hash and was set aside.
  case damaged = 7
  /// The file is stored but too large for a batch; the peer may fetch it in pieces.
  case tooLarge = 8
  /// The node has messages of the subfeed, but not the statement of its writer without which no other node accepts them.
  case unproven = 9
}

extension ByteReader {
  /// Decodes a refusal; an unknown one is malformed, because it may mean anything.
  mutating func refusal() throws(ByteReaderError) -> Refusal {
    guard let refusal = Refusal(rawValue: try byte()) else { throw .malformed }
    return refusal
  }
}
