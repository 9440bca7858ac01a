internal import CWSLay
import Crypto
package import Primitives

/// One end of a WebSocket after its opening handshake (RFC 6455), without I/O: frames pass in and out through its methods.
///
/// The bytes of all binary messages together are one stream; where a message ends means nothing.
package final class WebSocketSession {
  /// Which end this is: only a client masks what it sends.
  package enum Role: Sendable { case client, server }

  /// The most bytes in a message that is sent.
  package static let sentMessageBytes = 64 << 10
  /// The most bytes in a message that is accepted.
  package static let receivedMessageBytes: UInt64 = 256 << 10

  /// Whether the other side ended the WebSocket in order.
  package private(set) var isClosedByPeer = false

  private let context: wslay_event_context_ptr
  private let state: State

  /// - Throws: `internalError` if there is no memory.
  package init(_ role: Role) throws(KacheryError) {
    var callbacks = State.callbacks
    var context: wslay_event_context_ptr?
    let state = State()
    // Unretained: the context does not outlive this object, whose deinit frees it.
    let data = Unmanaged.passUnretained(state).toOpaque()
    let result =
      role == .client
      ? wslay_event_context_client_init(&context, &callbacks, data)
      : wslay_event_context_server_init(&context, &callbacks, data)
    guard result == 0, let context else {
      throw KacheryError(.internalError, "There is no memory for a WebSocket.")
    }
    self.context = context
    self.state = state
    wslay_event_config_set_no_buffering(context, 1)
    wslay_event_config_set_max_recv_msg_length(context, Self.receivedMessageBytes)
  }

  deinit { wslay_event_context_free(context) }

  /// Processes received frames, and passes their bytes to `deliver`, if there are any. Answers pings.
  ///
  /// - Throws: `protocolViolation` if the other side breaks the protocol, sends text or a message that is too large. The
  ///   output may contain the reason for the other side.
  package func receive(
    _ frames: UnsafeRawBufferPointer, _ deliver: (UnsafeRawBufferPointer) -> Void
  ) throws(KacheryError) {
    state.input = frames[...]
    let result = wslay_event_recv(context)
    state.input = state.input.prefix(0)
    flush()
    state.drainReceived(deliver)
    isClosedByPeer = wslay_event_get_close_received(context) != 0
    guard !state.hasText else {
      throw KacheryError(
        .protocolViolation, "The other side sent text over the WebSocket, where only binary messages belong.")
    }
    guard result == 0, isClosedByPeer || wslay_event_get_read_enabled(context) != 0 else {
      throw KacheryError(.protocolViolation, "The other side broke the WebSocket protocol.")
    }
  }

  /// Adds bytes to the output, in messages.
  package func write(_ bytes: UnsafeRawBufferPointer) {
    var rest = bytes[...]
    while !rest.isEmpty {
      let piece = rest.prefix(Self.sentMessageBytes)
      queue(UnsafeRawBufferPointer(rebasing: piece))
      rest = rest.dropFirst(piece.count)
    }
    flush()
  }

  private func queue(_ bytes: UnsafeRawBufferPointer) {
    var message = wslay_event_msg()
    message.opcode = UInt8(WSLAY_BINARY_FRAME.rawValue)
    message.msg = bytes.bindMemory(to: UInt8.self).baseAddress
    message.msg_length = bytes.count
    wslay_event_queue_msg(context, &message)
  }

  /// Adds a close frame to the output, by which the other side can distinguish the end from a cut. Idempotent.
  package func close() {
    wslay_event_queue_close(context, UInt16(WSLAY_CODE_NORMAL_CLOSURE.rawValue), nil, 0)
    flush()
  }

  /// Passes the output to `send` and clears it. The pointer is valid only during the call.
  package func drainOutput(_ send: (UnsafeRawBufferPointer) -> Void) { state.drainOutput(send) }

  private func flush() { _ = wslay_event_send(context) }
}

/// What wslay reads from and writes to, instead of a socket.
private final class State {
  /// Frames that wslay has not read yet. Set only during a call.
  var input = UnsafeRawBufferPointer(start: nil, count: 0)[...]
  private(set) var hasText = false
  private var output: [UInt8] = []
  private var received: [UInt8] = []
  private var isOfControlFrame = false
  private var random = SecureRandom()
  /// Keeps enough for a few messages; frees the memory after a larger burst.
  private static let keptCapacity = 1 << 20

  func drainOutput(_ send: (UnsafeRawBufferPointer) -> Void) { Self.drain(&output, send) }

  func drainReceived(_ deliver: (UnsafeRawBufferPointer) -> Void) { Self.drain(&received, deliver) }

  private static func drain(_ bytes: inout [UInt8], _ take: (UnsafeRawBufferPointer) -> Void) {
    guard !bytes.isEmpty else { return }
    // The callee may add bytes, which come after these.
    var drained: [UInt8] = []
    swap(&drained, &bytes)
    drained.withUnsafeBytes { take($0) }
    guard bytes.isEmpty, drained.capacity <= keptCapacity else { return }
    drained.removeAll(keepingCapacity: true)
    bytes = drained
  }

  private static func of(_ data: UnsafeMutableRawPointer?) -> State? {
    data.map { Unmanaged<State>.fromOpaque($0).takeUnretainedValue() }
  }

  /// Copies input; a negative number if there is none.
  private func read(_ buffer: UnsafeMutablePointer<UInt8>, _ count: Int) -> Int {
    let taken = input.prefix(count)
    guard !taken.isEmpty else { return -1 }
    UnsafeMutableRawBufferPointer(start: buffer, count: count).copyMemory(from: UnsafeRawBufferPointer(rebasing: taken))
    input = input.dropFirst(taken.count)
    return taken.count
  }

  private func begin(_ opcode: UInt8) {
    // Control frames have an opcode with this bit (RFC 6455, section 5.2).
    isOfControlFrame = opcode & 8 != 0
    if opcode == UInt8(WSLAY_TEXT_FRAME.rawValue) { hasText = true }
  }

  private func add(_ bytes: UnsafeRawBufferPointer) { if !isOfControlFrame, !hasText { received += bytes } }

  static let callbacks = wslay_event_callbacks(
    recv_callback: { context, buffer, count, _, data in
      guard let state = State.of(data), let buffer else { return -1 }
      let taken = state.read(buffer, count)
      if taken < 0 { wslay_event_set_error(context, WSLAY_ERR_WOULDBLOCK.rawValue) }
      return taken
    },
    send_callback: { _, bytes, count, _, data in
      State.of(data)?.output += UnsafeRawBufferPointer(start: bytes, count: count)
      return count
    },
    genmask_callback: { _, buffer, count, data in
      guard let state = State.of(data), let buffer else { return -1 }
      for index in 0..<count { buffer[index] = UInt8(truncatingIfNeeded: state.random.next()) }
      return 0
    },
    on_frame_recv_start_callback: { _, frame, data in
      if let frame { State.of(data)?.begin(frame.pointee.opcode) }
    },
    on_frame_recv_chunk_callback: { _, chunk, data in
      guard let chunk = chunk?.pointee else { return }
      State.of(data)?.add(UnsafeRawBufferPointer(start: chunk.data, count: chunk.data_length))
    },
    on_frame_recv_end_callback: nil, on_msg_recv_callback: nil)
}
