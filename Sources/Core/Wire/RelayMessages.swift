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
  /// The use of a stream that carries only the token of a joined lane.
  package static let lane: UInt8 = 1
  /// Most endpoints in a frame, and bytes in one.
  package static let endpoints: UInt8 = 4
  static let endpointBytes = 64
}

/// Asks a relay for a way to a node: the first frame on a stream of kind `relay`.
package struct RelayRequest: Hashable, Sendable {
  static let frameType: UInt8 = 48

  /// What the stream is for: `RelayFrame.link` or `RelayFrame.lane`. Other values belong to later versions.
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
  /// Where the relay sees the opener.
  package let seenAt: [Endpoint]

  package init(topic: Topic, opener: NodeID, use: UInt8 = RelayFrame.link, seenAt: [Endpoint] = []) {
    self.use = use
    self.topic = topic
    self.opener = opener
    self.seenAt = seenAt
  }

  /// The request as a frame.
  package var encoded: [UInt8] {
    Frame.encode(Self.frameType) { writer in
      writer.integer(use)
      writer.fixed(topic)
      writer.fixed(opener)
      writer.write(seenAt)
    }
  }

  /// Decodes a frame of a stream of kind `relayed`.
  package static func decode(_ frame: Frame) throws(WireError) -> RelayedRequest {
    guard frame.type == frameType else { throw .unknownType(frame.type) }
    var reader = ByteReader(frame.body)
    do throws(ByteReaderError) {
      let use = try reader.byte()
      return RelayedRequest(
        topic: try reader.fixed(), opener: try reader.fixed(), use: use, seenAt: try reader.endpoints())
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
  /// Where the relay sees the target. A target sends none.
  package let seenAt: [Endpoint]

  package init(_ status: RelayStatus, seenAt: [Endpoint] = []) {
    self.status = status
    self.seenAt = seenAt
  }

  /// The answer as a frame.
  package var encoded: [UInt8] {
    Frame.encode(Self.frameType) { writer in
      writer.integer(status.rawValue)
      writer.write(seenAt)
    }
  }

  /// Decodes the frame that answers.
  package static func decode(_ frame: Frame) throws(WireError) -> RelayAnswer {
    guard frame.type == frameType else { throw .unknownType(frame.type) }
    var reader = ByteReader(frame.body)
    do throws(ByteReaderError) {
      guard let status = RelayStatus(rawValue: try reader.byte()) else { throw .malformed }
      return RelayAnswer(status, seenAt: try reader.endpoints())
    } catch {
      throw .malformed(error)
    }
  }
}

/// Tells both nodes of a joined lane what to show the relay: the last frame on a stream whose use is `RelayFrame.lane`. To
/// the opener it is the answer, and to the target it follows the target's own.
package struct RelayToken: Hashable, Sendable {
  static let frameType: UInt8 = 51

  package let token: LaneToken

  package init(_ token: LaneToken) { self.token = token }

  /// The token as a frame.
  package var encoded: [UInt8] { Frame.encode(Self.frameType) { $0.bytes(token.bytes) } }

  /// Decodes a frame from the relay.
  package static func decode(_ frame: Frame) throws(WireError) -> RelayToken {
    guard frame.type == frameType else { throw .unknownType(frame.type) }
    var reader = ByteReader(frame.body)
    do throws(ByteReaderError) {
      guard let token = LaneToken(bytes: try reader.bytes(limit: LaneToken.byteCount)) else { throw .malformed }
      return RelayToken(token)
    } catch {
      throw .malformed(error)
    }
  }
}

/// A relay's answer to a request for a joined lane.
package enum LaneAnswer: Hashable, Sendable {
  case token(LaneToken)
  /// There is no way, or none for lanes.
  case refused(RelayStatus)

  /// Decodes the frame that answers.
  package static func decode(_ frame: Frame) throws(WireError) -> LaneAnswer {
    if frame.type == RelayToken.frameType { return .token(try RelayToken.decode(frame).token) }
    let status = try RelayAnswer.decode(frame).status
    guard status != .granted else { throw .malformed(.malformed) }
    return .refused(status)
  }
}

/// Whether a relay, or the target itself, agrees to a relayed link or a joined lane, and if not, why.
///
/// A node that has no channel in common with the target gets `notPermitted` whether or not the target is linked.
package enum RelayStatus: UInt8, Sendable, CaseIterable {
  /// The bytes of the link follow in both directions, or the token of the lane.
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
  /// Writes the endpoints whose hosts are addresses: a count, then each with its length.
  fileprivate mutating func write(_ endpoints: [Endpoint]) {
    let known = endpoints.compactMap { endpoint in IPAddress(endpoint.host).map { ($0, endpoint.port) } }
      .prefix(Int(RelayFrame.endpoints))
    integer(UInt8(known.count))
    for (address, port) in known {
      var content = ByteWriter()
      content.write(address, port: port)
      bytes(content.bytes)
    }
  }
}

extension ByteReader {
  /// The endpoints that `write` writes. Those that this version cannot read are left out.
  fileprivate mutating func endpoints() throws(ByteReaderError) -> [Endpoint] {
    let count = try byte()
    guard count <= RelayFrame.endpoints else { throw .tooLong }
    var endpoints: [Endpoint] = []
    for _ in 0..<count {
      var content = ByteReader(try bytes(limit: RelayFrame.endpointBytes))
      guard let (address, port) = try? content.addressAndPort() else { continue }
      if let endpoint = Endpoint(host: address.description, port: port) { endpoints.append(endpoint) }
    }
    return endpoints
  }
}
