internal import CNgtcp2
package import Primitives

/// One end of a QUIC connection, without I/O: packets pass in and out through its methods. Both ends prove an Ed25519 key
/// by TLS 1.3 with GnuTLS; ngtcp2 has the protocol, with BBR and a search for the largest packet.
///
///     handshaking ──both sides proved──▶ established ──close, an error, or silence──▶ over
package final class QUICConnection {
  /// The result of a step.
  package enum Outcome: Sendable {
    case open
    /// The peer has closed, with this code if it was its application that did.
    case closedByPeer(code: UInt64?, reason: String)
    /// The peer has violated the protocol, or is not the expected node. `writeClose` tells it.
    case failed(reason: String)
    /// The connection is over without a word to the peer.
    case dropped
    /// The peer was silent for too long.
    case timedOut
  }

  /// Has the streams. Not weak, because that would cost time for every packet: the owner removes it at the end.
  package var user: (any QUICConnectionUser)?
  /// Called once, from within `read`, when both ends have proved their keys.
  package var onEstablished: (() -> Void)?
  /// Called for each connection ID from which packets to this end may come, and when one is no longer used.
  package var onID: ((QUICConnectionID, _ isUsed: Bool) -> Void)?
  /// The IDs that were chosen before `onID` was set.
  package private(set) var firstIDs: [QUICConnectionID] = []
  /// The node that answered instead of the expected one.
  package private(set) var stranger: NodeID?
  /// The node that must be at the other end; nil for any.
  package let expected: NodeID?
  /// Whether this end opened the connection.
  package let isClient: Bool

  /// Bytes of the largest packet.
  package static let largestPacket = PathMTUSearch.largest

  private let identity: QUICIdentity
  private var raw: OpaquePointer?
  /// Where the last packet was to be sent.
  private let remote = UnsafeMutableRawBufferPointer.allocate(byteCount: Int(CNGTCP2_ADDRESS), alignment: 8)
  private var remoteCount = 0
  /// Nil on a route without jumbo frames, where ngtcp2 searches.
  private var search: PathMTUSearch?

  /// A connection to the node at an address, both in the kernel's form. Its first packet is written by `write`.
  ///
  /// - Parameters:
  ///   - expected: the node that must be there; nil for any node that proves an ID.
  ///   - routeMTU: bytes of the largest packet that this machine's own network carries to there; nil if unknown.
  package init(
    identity: QUICIdentity, local: [UInt8], remote: [UInt8], expected: NodeID?, routeMTU: Int? = nil, at now: Instant
  ) throws(KacheryError) {
    (self.identity, self.expected, isClient) = (identity, expected, true)
    search = PathMTUSearch(routeMTU: routeMTU)
    setRemote(remote)
    var events = Self.events
    raw = CNgtcp2_connect(
      identity.raw, &events, Unmanaged.passUnretained(self).toOpaque(), local, local.count, remote, remote.count,
      search == nil ? 0 : 1, now.nanoseconds)
    guard raw != nil else { throw KacheryError(.internalError, "A QUIC connection cannot be set up.") }
  }

  /// The connection that a client begins with `packet`, which the caller then passes to `read`.
  package init(
    identity: QUICIdentity, local: [UInt8], remote: [UInt8], first packet: UnsafeRawBufferPointer,
    addressProofs: QUICAddressProofs, routeMTU: Int? = nil, at now: Instant
  ) throws(KacheryError) {
    (self.identity, expected, isClient) = (identity, nil, false)
    search = PathMTUSearch(routeMTU: routeMTU)
    setRemote(remote)
    var events = Self.events
    raw = CNgtcp2_accept(
      identity.raw, &events, Unmanaged.passUnretained(self).toOpaque(), local, local.count, remote, remote.count,
      packet.bindMemory(to: UInt8.self).baseAddress, packet.count, addressProofs.secret, search == nil ? 0 : 1,
      now.nanoseconds)
    guard raw != nil else { throw KacheryError(.protocolViolation, "The other side began with a wrong packet.") }
  }

  deinit {
    if let raw { CNgtcp2_free(raw) }
    remote.deallocate()
  }

  private func setRemote(_ bytes: [UInt8]) {
    remoteCount = min(bytes.count, remote.count)
    remote.copyBytes(from: bytes.prefix(remoteCount))
  }

  /// Where the last packet was to be sent, in the kernel's form. The pointer is valid until the next packet is written.
  package var destination: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: remote.prefix(remoteCount)) }

  // MARK: Events

  private static func of(_ owner: UnsafeMutableRawPointer?) -> QUICConnection? {
    owner.map { Unmanaged<QUICConnection>.fromOpaque($0).takeUnretainedValue() }
  }

  private static let events = CNgtcp2_events(
    admits: { owner, key in
      guard let own = of(owner), let id = NodeID(bytes: UnsafeBufferPointer(start: key, count: NodeID.byteCount)) else {
        return 0
      }
      return own.admits(id) ? 1 : 0
    },
    established: { of($0)?.onEstablished?() },
    id_issued: { owner, id in if let id { of(owner)?.noteID(QUICConnectionID(id), isUsed: true) } },
    id_retired: { owner, id in if let id { of(owner)?.noteID(QUICConnectionID(id), isUsed: false) } },
    stream_opened: { of($0)?.user?.opened($1) },
    stream_received: { owner, stream, bytes, count, isLast in
      of(owner)?.user?.received(UnsafeRawBufferPointer(start: bytes, count: count), isLast: isLast != 0, on: stream)
    },
    stream_acknowledged: { owner, stream, count in
      guard let own = of(owner) else { return }
      own.search?.answered()
      own.user?.acknowledged(count, on: stream)
    },
    stream_writable: { of($0)?.user?.unblocked($1) },
    stream_reset: { of($0)?.user?.reset($1) },
    stream_closed: { of($0)?.user?.closed($1, isClean: $2 != 0) },
    streams_available: { of($0)?.user?.mayOpenStreams() },
    datagram: { of($0)?.user?.receivedDatagram(UnsafeRawBufferPointer(start: $1, count: $2)) },
    datagram_ended: { of($0)?.search?.probeEnded($1, hasArrived: $2 != 0) })

  /// Called during the handshake, so that only the expected peer learns this node's ID.
  private func admits(_ id: NodeID) -> Bool {
    guard let expected, expected != id else { return true }
    stranger = id
    return false
  }

  private func noteID(_ id: QUICConnectionID, isUsed: Bool) {
    if let onID { onID(id, isUsed) } else if isUsed { firstIDs.append(id) }
  }

  // MARK: State

  /// Whether both sides have proved their IDs.
  private var isEstablished: Bool { raw.map { CNgtcp2_peer($0) != nil } ?? false }

  /// The node at the other end; nil until both sides have proved their IDs.
  package var peer: NodeID? {
    raw.flatMap { CNgtcp2_peer($0) }.flatMap { NodeID(bytes: UnsafeBufferPointer(start: $0, count: NodeID.byteCount)) }
  }

  /// Bytes that only the two ends of this connection can derive (RFC 8446, section 7.5); nil unless it is established.
  package func exportKeyingMaterial(label: String, count: Int) -> [UInt8]? {
    var material = [UInt8](repeating: 0, count: count)
    guard let raw, peer != nil, CNgtcp2_export(raw, label, &material, count) != 0 else { return nil }
    return material
  }

  /// When `handleExpiry` is due; nil if it is not.
  package var expiry: Instant? {
    raw.map { CNgtcp2_expiry($0) }.flatMap { $0 == .max ? nil : Instant(nanoseconds: $0) }
  }

  /// The time after which an unanswered packet is sent again: a round trip and its variation.
  package var probeTimeout: Duration {
    .nanoseconds(Int64(clamping: raw.map { CNgtcp2_probe_timeout($0) } ?? 0))
  }

  // MARK: Streams

  /// Opens a stream; nil if the peer admits no more now. Callable from within the events.
  package func openStream() -> Int64? {
    raw.map { CNgtcp2_open_stream($0) }.flatMap { $0 < 0 ? nil : $0 }
  }

  /// Gives a stream up in both directions. Callable from within the events.
  package func resetStream(_ stream: Int64) { if let raw { CNgtcp2_reset_stream(raw, stream) } }

  /// Lets the peer send `count` more bytes on a stream. Callable from within the events.
  package func extendWindow(of stream: Int64, by count: Int) {
    if let raw, count > 0 { CNgtcp2_extend_stream(raw, stream, count) }
  }

  // MARK: Packets

  /// Processes a packet.
  ///
  /// - Parameter sender: its address in the kernel's form.
  package func read(
    _ packet: UnsafeRawBufferPointer, from sender: UnsafeRawBufferPointer, at now: Instant
  ) -> Outcome {
    guard let raw, let bytes = packet.bindMemory(to: UInt8.self).baseAddress else { return .open }
    return outcome(
      CNgtcp2_read(
        raw, sender.bindMemory(to: UInt8.self).baseAddress, sender.count, bytes, packet.count, now.nanoseconds))
  }

  /// Does what is due at this time; packets may be due afterwards.
  package func handleExpiry(at now: Instant) -> Outcome {
    guard let raw else { return .dropped }
    let result = CNgtcp2_handle_expiry(raw, now.nanoseconds)
    search?.check(at: now, timeout: probeTimeout)
    return outcome(result)
  }

  private func outcome(_ result: Int32) -> Outcome {
    guard result != CNGTCP2_OK else { return .open }
    guard let raw else { return .dropped }
    let reason = String(cString: CNgtcp2_reason(raw))
    switch Int(result) {
    case CNGTCP2_CLOSED_BY_PEER:
      let code = CNgtcp2_peer_code(raw)
      return .closedByPeer(code: code < 0 ? nil : UInt64(code), reason: reason)
    case CNGTCP2_FAILED: return .failed(reason: reason)
    case CNGTCP2_TIMED_OUT: return .timedOut
    default: return .dropped
    }
  }

  /// Packets of equal size, the last of which may be shorter, one after the other in a buffer.
  package struct Train {
    package var range: Range<Int>
    package var segment: Int
    /// Whether it is larger than what the path is known to carry.
    fileprivate var isProbe = false
  }

  /// Writes the packets that may be sent now.
  ///
  /// - Parameters:
  ///   - buffer: has room for a maximum packet after `limit`.
  ///   - limit: the most bytes of all packets and of a train, and the most packets in a train.
  /// - Returns: nil if the connection has failed; `writeClose` then tells the peer.
  package func write(
    into buffer: UnsafeMutableRawBufferPointer, limit: (bytes: Int, packets: Int), at now: Instant
  ) -> [Train]? {
    guard let raw else { return [] }
    let most = min(limit.bytes, CNgtcp2_send_quantum(raw))
    var trains: [Train] = []
    var end = 0
    // One packet in any case: the quantum may be smaller.
    while end == 0 || end < most {
      let probe = nextProbe(raw)
      let room = probe?.size ?? packetSize(raw)
      guard end + room <= buffer.count else { break }
      let packet = UnsafeMutableRawBufferPointer(rebasing: buffer[end..<end + room])
      let written = probe.map { writeProbe($0.number, into: packet, at: now) } ?? writePacket(into: packet, at: now)
      guard let count = written else { return nil }
      guard count > 0 else { break }
      search?.sent(count, at: now)
      if probe != nil {
        trains.append(Train(range: end..<end + count, segment: count, isProbe: true))
      } else {
        Self.add(end..<end + count, to: &trains, limit: limit)
      }
      end += count
    }
    CNgtcp2_wrote(raw, now.nanoseconds)
    return trains
  }

  private func packetSize(_ raw: OpaquePointer) -> Int { search?.size ?? CNgtcp2_packet_size(raw) }

  private static func add(_ packet: Range<Int>, to trains: inout [Train], limit: (bytes: Int, packets: Int)) {
    if let last = trains.last, !last.isProbe, last.range.count % last.segment == 0, packet.count <= last.segment,
      last.range.count / last.segment < limit.packets, packet.upperBound - last.range.lowerBound <= limit.bytes
    {
      trains[trains.count - 1].range = last.range.lowerBound..<packet.upperBound
    } else {
      trains.append(Train(range: packet, segment: packet.count))
    }
  }

  /// Asks ngtcp2 nothing once the search has ended, because this is called for every packet.
  private func nextProbe(_ raw: OpaquePointer) -> (number: UInt64, size: Int)? {
    guard let search, search.isSearching, isEstablished else { return nil }
    return search.probe(limit: CNgtcp2_padding_limit(raw))
  }

  /// Writes a packet of padding.
  ///
  /// - Returns: as `writePacket`.
  private func writeProbe(_ number: UInt64, into packet: UnsafeMutableRawBufferPointer, at now: Instant) -> Int? {
    guard let raw, let start = packet.bindMemory(to: UInt8.self).baseAddress else { return 0 }
    var isTaken: Int32 = 0
    let count = CNgtcp2_write_padding(
      raw, start, packet.count, remote.bindMemory(to: UInt8.self).baseAddress, &remoteCount, number, &isTaken,
      now.nanoseconds)
    if isTaken != 0, count > 0 { search?.sentProbe(count) }
    return count < 0 ? nil : count
  }

  /// - Returns: the packet's size, 0 if none may be sent now; nil if the connection has failed.
  private func writePacket(into packet: UnsafeMutableRawBufferPointer, at now: Instant) -> Int? {
    guard let raw, let start = packet.bindMemory(to: UInt8.self).baseAddress else { return 0 }
    let address = remote.bindMemory(to: UInt8.self).baseAddress
    let user = isEstablished ? user : nil
    if let datagram = user?.nextDatagram() {
      var isTaken: Int32 = 0
      let count = CNgtcp2_write_datagram(
        raw, start, packet.count, address, &remoteCount, datagram, datagram.count, 0, &isTaken, now.nanoseconds)
      // Until then it may have to wait: for the handshake's last packets, or because too much is on its way.
      if isTaken != 0 { user?.tookDatagram() }
      return count < 0 ? nil : count
    }
    while true {
      let chunk = CNgtcp2_send_window(raw) > 0 ? user?.nextChunk() : nil
      var taken = -1
      let count = CNgtcp2_write(
        raw, start, packet.count, address, &remoteCount, chunk?.stream ?? -1,
        chunk?.bytes.bindMemory(to: UInt8.self).baseAddress, chunk?.bytes.count ?? 0, chunk?.isLast == true ? 1 : 0,
        &taken, now.nanoseconds)
      if let chunk, taken >= 0 { user?.took(taken, of: chunk) }
      guard count < 0 else { return count }
      switch count {
      case CNGTCP2_WRITE_MORE: break
      case CNGTCP2_WRITE_BLOCKED: if let chunk { user?.blocked(chunk.stream) }
      case CNGTCP2_WRITE_GONE: if let chunk { user?.gone(chunk.stream) }
      default: return nil
      }
    }
  }

  /// Writes the packet that ends the connection.
  ///
  /// - Parameter code: the application's; nil for the reason of a failure.
  /// - Returns: the packet's size; 0 if there is none.
  package func writeClose(code: UInt64?, into packet: UnsafeMutableRawBufferPointer, at now: Instant) -> Int {
    guard let raw, let start = packet.bindMemory(to: UInt8.self).baseAddress else { return 0 }
    let count = CNgtcp2_write_close(
      raw, start, min(packet.count, packetSize(raw)), remote.bindMemory(to: UInt8.self).baseAddress,
      &remoteCount, code == nil ? 1 : 0, code ?? 0, now.nanoseconds)
    return max(0, count)
  }
}
