package import Primitives

/// The first message of each side on a link.
package struct Hello: Hashable, Sendable {
  /// The version of the protocol. Nodes with different major versions do not link.
  package static let majorVersion: UInt16 = 3
  /// The minor version of this software; higher ones only add fields and messages that may be ignored.
  package static let minorVersion: UInt16 = 0

  package var major: UInt16 = majorVersion
  package var minor: UInt16 = minorVersion
  /// The bit of `features` for accepting and opening lanes.
  package static let lanes: UInt64 = 1
  /// The bit of `features` for having several links to one node.
  package static let severalLinks: UInt64 = 2
  /// The bit of `features` for relaying the links of other nodes.
  package static let relays: UInt64 = 4
  /// The bit of `features` for connecting directly to a node that is linked through a relay, see `Reach`.
  package static let punching: UInt64 = 8

  /// The bit of `features` for sending by QUIC rather than by TCP over long ways, because the kernel's TCP has no BBR.
  package static let prefersQUIC: UInt64 = 16

  /// The bit of `features` for telling linked nodes from where their datagrams come, see `Probe`.
  package static let observes: UInt64 = 32

  /// The node's features, one bit each; unknown bits are ignored.
  package var features: UInt64 = lanes | severalLinks
  /// The name given by the node's owner.
  package var label: String
  /// Name and version of the node's software.
  package var software: String
  package var isBootstrap: Bool
  /// The sender's clock, so that a peer can inform its user of a skew.
  package var clock: WallTime
  /// The addresses at which the sender listens, as far as it knows.
  package var addresses: [Address]
  /// The receiver's address, as seen by the sender.
  package var observed: Address?
  /// Proofs of membership, one for each channel that the sender has joined.
  package var proofs: [ChannelProof]
  /// A random number that the sender's process has chosen at its start: two processes with one identity differ in it. Nil
  /// if the sender does not say.
  package var instance: UInt64?

  package init(
    label: String, software: String, isBootstrap: Bool, clock: WallTime, addresses: [Address] = [],
    observed: Address? = nil, proofs: [ChannelProof] = [], instance: UInt64? = nil
  ) {
    self.label = label
    self.software = software
    self.isBootstrap = isBootstrap
    self.clock = clock
    self.addresses = addresses
    self.observed = observed
    self.proofs = proofs
    self.instance = instance
  }
}

extension Hello {
  /// The longest prefix of a node's name that fits into a hello, without splitting a scalar.
  package static func label(of name: String) -> String {
    String(name.prefix(bytes: WireLimits.label))
  }
}

extension ByteWriter {
  mutating func write(_ hello: Hello) {
    integer(hello.major)
    integer(hello.minor)
    integer(hello.features)
    text(hello.label)
    text(hello.software)
    flag(hello.isBootstrap)
    integer(hello.clock.milliseconds)
    list(hello.addresses) { $0.bytes($1.encoded) }
    optional(hello.observed) { $0.bytes($1.encoded) }
    list(hello.proofs) { $0.fixed($1) }
    if let instance = hello.instance { integer(instance) }
  }
}

extension ByteReader {
  /// An address with its length; nil if its transport is unknown.
  private mutating func address() throws(ByteReaderError) -> Address? {
    try Address.decode(try bytes(limit: Address.maximumBytes))
  }

  mutating func proofs() throws(ByteReaderError) -> [ChannelProof] {
    try list(limit: WireLimits.channels) { (reader) throws(ByteReaderError) in try reader.fixed() }
  }

  mutating func hello() throws(ByteReaderError) -> Hello {
    let major = try integer(UInt16.self)
    let minor = try integer(UInt16.self)
    guard major == Hello.majorVersion else {
      // Only these two fields have the same meaning in every major version.
      var hello = Hello(label: "", software: "", isBootstrap: false, clock: WallTime(milliseconds: 0))
      (hello.major, hello.minor, hello.features) = (major, minor, 0)
      return hello
    }
    let features = try integer(UInt64.self)
    var hello = Hello(
      label: try text(limit: WireLimits.label), software: try text(limit: WireLimits.software),
      isBootstrap: try flag(), clock: WallTime(milliseconds: try integer()))
    hello.major = major
    hello.minor = minor
    hello.features = features
    hello.addresses = try list(limit: WireLimits.addresses) { (reader) throws(ByteReaderError) in
      try reader.address()
    }.compactMap { $0 }
    hello.observed = try optional { (reader) throws(ByteReaderError) in try reader.address() } ?? nil
    hello.proofs = try proofs()
    // Later fields may follow.
    if remaining >= 8 { hello.instance = try integer() }
    return hello
  }
}
