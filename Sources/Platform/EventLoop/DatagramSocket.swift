internal import CDatagrams
internal import CUV
package import Primitives

/// A UDP socket for many datagrams: receives and sends them in batches, and never fragments them. What does not fit into
/// the kernel's buffer for receiving is lost, as on the way.
package final class DatagramSocket: LoopHandle {
  /// The most bytes that one call sends, and the most datagrams in them.
  package static let maximumTrain = (bytes: 65_000, datagrams: 44)
  /// Bytes of each of a socket's two buffers.
  private static let largeBuffer: Int32 = 4 << 20
  private static let smallBuffer: Int32 = 8 << 10
  /// Calls for receiving in a row before the loop gets its turn.
  private static let maximumBatches = 8
  /// After this number of bytes, the other side gets an answer: it stands still if it has to wait for the whole batch.
  private static let answerBytes = 48 << 10

  /// Called with each datagram and the address of its sender. Both pointers are valid for the call only.
  package var onDatagram: ((UnsafeRawBufferPointer, _ sender: UnsafeRawBufferPointer) -> Void)?
  /// Called after the last datagram of each batch, and before that whenever `answerBytes` have been delivered.
  package var onBatchEnd: (() -> Void)?
  /// Called when there is room again after `send` has returned `full`.
  package var onWritable: (() -> Void)?
  /// Called when the loop stops and closes the socket.
  package var onLoopEnd: (() -> Void)?
  /// The address, with the port that the kernel chose if the request was for port 0.
  package let endpoint: Endpoint
  /// The same in the kernel's form.
  package let address: [UInt8]

  private let descriptor: Int32
  private var isBatching: Int32 = 1
  private var isWaitingToSend = false

  /// The outcome of sending.
  package enum Sending: Sendable {
    /// The kernel has accepted the bytes, or dropped them as a router would.
    case done
    /// The kernel's buffer is full; the number of bytes was accepted.
    case full(accepted: Int)
  }

  /// A socket at this address; `::` means every IPv4 and IPv6 address. Loop only.
  ///
  /// - Parameters:
  ///   - port: 0 for any free one.
  ///   - hasSmallBuffers: whether a few datagrams are all that it is to hold, until `enlargeBuffers`.
  /// - Throws: `alreadyRunning` if another socket has the port, `badConfiguration` if the address does not belong to
  ///   this machine.
  package static func bind(
    on loop: EventLoop, host: String, port: UInt16, hasSmallBuffers: Bool = false
  ) throws(KacheryError) -> DatagramSocket {
    var wanted = try SocketAddress(numericHost: host == "localhost" ? "127.0.0.1" : host, port: port)
    let action = "Opening a UDP socket at \(host) port \(port) failed"
    let size = wanted.byteCount
    let buffer = hasSmallBuffers ? smallBuffer : largeBuffer
    let descriptor = wanted.withPointer { CDatagrams_open($0, socklen_t(size), buffer) }
    try UVError.check(descriptor, action)
    guard let address = SocketAddress.local(of: descriptor), let endpoint = address.endpoint else {
      _ = CUV.close(descriptor)
      throw KacheryError(.internalError, "\(action): its address is unknown.")
    }
    return try DatagramSocket(loop: loop, descriptor: descriptor, endpoint: endpoint, address: address.bytes)
  }

  private init(loop: EventLoop, descriptor: Int32, endpoint: Endpoint, address: [UInt8]) throws(KacheryError) {
    self.descriptor = descriptor
    self.endpoint = endpoint
    self.address = address
    super.init(loop: loop, byteCount: MemoryLayout<uv_poll_t>.size)
    guard !isClosing, uv_poll_init(loop.core.loop, raw(as: uv_poll_t.self), descriptor) == 0 else {
      _ = CUV.close(descriptor)
      throw EventLoop.stopping
    }
    adopt()
    poll()
  }

  private func poll() {
    let events = UV_READABLE.rawValue | (isWaitingToSend ? UV_WRITABLE.rawValue : 0)
    uv_poll_start(raw(as: uv_poll_t.self), Int32(events)) { handle, _, events in
      guard let socket = LoopHandle.owner(of: handle) as? DatagramSocket else { return }
      if UInt32(events) & UV_WRITABLE.rawValue != 0 { socket.becameWritable() }
      if UInt32(events) & UV_READABLE.rawValue != 0 { socket.receive() }
    }
  }

  private func becameWritable() {
    isWaitingToSend = false
    poll()
    onWritable?()
  }

  private func receive() {
    let memory = loop.core.readBuffer
    guard let slots = memory.bindMemory(to: UInt8.self).baseAddress else { return }
    let empty = CDatagrams_received()
    var received = [CDatagrams_received](repeating: empty, count: Int(CDATAGRAMS_BATCH))
    for _ in 0..<Self.maximumBatches {
      let count = Int(CDatagrams_receive(descriptor, slots, &received))
      guard count > 0 else { return }
      var unanswered = 0
      for index in 0..<count {
        deliver(received[index], from: memory[(index * Int(CDATAGRAMS_SLOT))...])
        guard !isClosing else { return }
        unanswered += Int(received[index].count)
        guard unanswered >= Self.answerBytes || index == count - 1 else { continue }
        unanswered = 0
        onBatchEnd?()
        guard !isClosing else { return }
      }
      guard count == Int(CDATAGRAMS_BATCH) else { return }
    }
  }

  private func deliver(_ received: CDatagrams_received, from slot: Slice<UnsafeMutableRawBufferPointer>) {
    var rest = UnsafeRawBufferPointer(rebasing: slot.prefix(Int(received.count)))[...]
    let segment = Int(received.segment)
    withUnsafeBytes(of: received.address) { address in
      let sender = UnsafeRawBufferPointer(rebasing: address.prefix(Int(received.address_size)))
      while !rest.isEmpty, let onDatagram {
        onDatagram(UnsafeRawBufferPointer(rebasing: rest.prefix(segment)), sender)
        rest = rest.dropFirst(segment)
      }
    }
  }

  /// The kernel's form of a numeric address to which this socket can send; nil if it cannot.
  package func address(of endpoint: Endpoint) -> [UInt8]? {
    guard let wanted = try? SocketAddress(numericHost: endpoint.host, port: endpoint.port) else { return nil }
    return wanted.address(forFamilyOf: address)
  }

  /// Bytes of the largest packet that this machine's own network carries to an address in the kernel's form; nil if the
  /// kernel knows no route. The rest of the way may carry less.
  package func routeMTU(to address: [UInt8]) -> Int? {
    let mtu = address.withUnsafeBytes { CDatagrams_route_mtu($0.baseAddress, $0.count) }
    return mtu > 0 ? Int(mtu) : nil
  }

  /// The endpoint of an address in the kernel's form.
  package static func endpoint(of address: UnsafeRawBufferPointer) -> Endpoint? {
    SocketAddress(bytes: address)?.endpoint
  }

  /// Sends the bytes in datagrams of `segment` bytes each; the last one may be shorter.
  package func send(
    _ bytes: UnsafeRawBufferPointer, segment: Int, to address: UnsafeRawBufferPointer
  ) -> Sending {
    loop.preconditionOnLoop()
    guard !isClosing, let start = bytes.bindMemory(to: UInt8.self).baseAddress else { return .done }
    let sent = CDatagrams_send(
      descriptor, start, bytes.count, segment, address.baseAddress, address.count, &isBatching)
    let isFull = sent == -Int(EAGAIN) || sent == -Int(ENOBUFS) || (0..<bytes.count).contains(sent)
    guard isFull else { return .done }
    isWaitingToSend = true
    poll()
    return .full(accepted: max(0, sent))
  }

  /// Sends one datagram that at most `hopLimit` routers pass on. It is lost if the kernel does not take it.
  package func send(_ bytes: [UInt8], hopLimit: UInt8, to address: [UInt8]) {
    loop.preconditionOnLoop()
    guard !isClosing else { return }
    _ = CDatagrams_send_near(descriptor, bytes, bytes.count, address, address.count, Int32(hopLimit))
  }

  /// Prepares a socket with small buffers for whole files.
  package func enlargeBuffers() {
    if !isClosing { CDatagrams_set_buffers(descriptor, Self.largeBuffer) }
  }

  /// How many descriptors this process may have beyond this one, which is the lowest that was free.
  package var furtherDescriptors: Int { CDatagrams_further(descriptor) }

  override func closedByLoop() {
    let tell = onLoopEnd
    close()
    tell?()
  }

  /// Closes the socket. No callback is called afterwards. Idempotent.
  package func close() {
    guard !isClosing else { return }
    (onDatagram, onBatchEnd, onWritable, onLoopEnd) = (nil, nil, nil, nil)
    closeHandle()
    // libuv polls it no more.
    _ = CUV.close(descriptor)
  }
}
