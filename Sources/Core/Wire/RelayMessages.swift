package import Primitives

/// Limits of the frames by which a relay connects two nodes. Each is the only frame in its direction; the bytes of the
/// relayed link follow it.
package enum RelayFrame {
  /// Bytes in the longest frame, with room for fields of later versions.
  package static let limit = 512
  /// Bytes of the relayed link that may follow the request before its answer arrives.
  package static let earlyBytes = 16 << 10
  /// The use of a relayed stream that carries a link.
  package static let link: UInt8 = 0
  /// Most endpoints in a frame, and bytes in one. They are for later versions: this one sends none and skips them.
  static let endpoints: UInt8 = 4
  static let endpointBytes = 64
}

/// Asks a relay for a way to a node: the first frame on a stream of kind `relay`.
package struct RelayRequest: Hashable, Sendable {
  static let frameType: UInt8 = 48

  /// What the stream is to carry. `RelayFrame.link` is a link; other values belong to later versions.
  package let use: UInt8
  /// The channel that the two nodes have in common.
  package let topic: Topic
  /// The node at the other end.
  package let target: NodeID

  package init(topic: Topic, target: NodeID, use: UInt8 = RelayFrame.link) {
    self.use = use
    self.topic = topic
    self.target = target
  }

  /// The request as a frame.
  package var encoded: [UInt8] {
    Frame.encode(Self.frameType) { writer in
      writer.integer(use)
      writer.fixed(topic)
      writer.fixed(target)
    }
  }

  /// Decodes a frame of a stream of kind `relay`.
  package static func decode(_ frame: Frame) throws(WireError) -> RelayRequest {
    guard frame.type == frameType else { throw .unknownType(frame.type) }
    var reader = ByteReader(frame.body)
    do throws(ByteReaderError) {
      let use = try reader.byte()
      return RelayRequest(topic: try reader.fixed(), target: try reader.fixed(), use: use)
    } catch {
      throw .malformed(error)
    }
  }
}

/// Tells a node that another one wants a link to it: the first frame on a stream of kind `relayed`, sent by the relay.
package struct RelayedRequest: Hashable, Sendable {
  static let frameType: UInt8 = 49

  /// As in the `RelayRequest`.
  package let use: UInt8
  /// The channel that the two nodes have in common, according to the opener.
  package let topic: Topic
  /// The node that wants the link. It has proved its ID to the relay, not to the receiver.
  package let opener: NodeID

  package init(topic: Topic, opener: NodeID, use: UInt8 = RelayFrame.link) {
    self.use = use
    self.topic = topic
    self.opener = opener
  }

  /// The request as a frame.
  package var encoded: [UInt8] {
    Frame.encode(Self.frameType) { writer in
      writer.integer(use)
      writer.fixed(topic)
      writer.fixed(opener)
      writer.writeNoEndpoints()
    }
  }

  /// Decodes a frame of a stream of kind `relayed`.
  package static func decode(_ frame: Frame) throws(WireError) -> RelayedRequest {
    guard frame.type == frameType else { throw .unknownType(frame.type) }
    var reader = ByteReader(frame.body)
    do throws(ByteReaderError) {
      let use = try reader.byte()
      let request = RelayedRequest(topic: try reader.fixed(), opener: try reader.fixed(), use: use)
      try reader.skipEndpoints()
      return request
    } catch {
      throw .malformed(error)
    }
  }
}

/// Answers a `RelayedRequest` to the relay, and a `RelayRequest` to the opener.
package struct RelayAnswer: Hashable, Sendable {
  static let frameType: UInt8 = 50

  /// Whether the bytes of the relayed link follow, or why not.
  package let status: RelayStatus

  package init(_ status: RelayStatus) { self.status = status }

  /// The answer as a frame.
  package var encoded: [UInt8] {
    Frame.encode(Self.frameType) { writer in
      writer.integer(status.rawValue)
      writer.writeNoEndpoints()
    }
  }

  /// Decodes the frame that answers.
  package static func decode(_ frame: Frame) throws(WireError) -> RelayAnswer {
    guard frame.type == frameType else { throw .unknownType(frame.type) }
    var reader = ByteReader(frame.body)
    do throws(ByteReaderError) {
      guard let status = RelayStatus(rawValue: try reader.byte()) else { throw .malformed }
      try reader.skipEndpoints()
      return RelayAnswer(status)
    } catch {
      throw .malformed(error)
    }
  }
}

/// Whether a relay, or the target itself, agrees to a relayed link, and if not, why.
///
/// A node that has no channel in common with the target gets `notPermitted` whether or not the target is linked.
package enum RelayStatus: UInt8, Sendable, CaseIterable {
  /// The bytes of the link follow in both directions.
  case granted = 0
  /// The target may be reached over this channel, but has no link to the relay.
  case notLinked = 1
  /// The target does not want the link, or did not answer.
  case refused = 2
  /// One of the two nodes, or the relay, has as many relayed streams as it accepts, or the opener asks too often.
  case limitReached = 3
  /// The two nodes have not both shown the relay that they are in the channel.
  case notPermitted = 4
  /// The node does not relay, or not for this use.
  case doesNotRelay = 5
  /// The link to one of the two nodes is relayed itself.
  case nested = 6
}

extension ByteWriter {
  fileprivate mutating func writeNoEndpoints() { integer(UInt8(0)) }
}

extension ByteReader {
  /// Skips a list of endpoints: a count, then each with its length.
  fileprivate mutating func skipEndpoints() throws(ByteReaderError) {
    let count = try byte()
    guard count <= RelayFrame.endpoints else { throw .tooLong }
    for _ in 0..<count { _ = try bytes(limit: RelayFrame.endpointBytes) }
  }
}
