import Crypto

/// What authenticates the question of a node from where its datagrams come, and the answer: only the two ends of a link
/// know it.
struct ObservationKey: Hashable, Sendable {
  let key: [UInt8]
  /// Names the link in datagrams.
  let tag: UInt32

  /// - Parameter binding: bytes that only the two ends of the link know.
  init(binding: [UInt8]) {
    key = HMACSHA256.authenticate(Array("kachery observe".utf8), key: binding)
    let name = HMACSHA256.authenticate(Array("kachery observe tag".utf8), key: binding)
    tag = name.prefix(4).reduce(0) { $0 << 8 | UInt32($1) }
  }
}
