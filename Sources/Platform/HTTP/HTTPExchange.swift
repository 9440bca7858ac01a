internal import CMicroHTTPD
package import Primitives

/// One request and its answer. Bound to the server's loop.
///
///     head ──body chunks──▶ body ended ──respond──▶ answered
///                                     └─beginStream, write…, finish─▶ answered
///     any ──the client hangs up──▶ cancelled
package final class HTTPExchange {
  /// Most bytes buffered of the body for a slow consumer, and of the answer for a slow client.
  static let bufferLimit = 1 << 20

  package let head: HTTPRequestHead
  /// The client's credentials on a Unix socket; nil over a network.
  package let peer: PeerCredentials?
  /// Called at most once, if the client hangs up or the server closes before the answer is complete.
  package var onCancel: (() -> Void)?
  package private(set) var isCancelled = false

  /// The number of its connection.
  let number: ConnectionTable.Number
  private weak var server: HTTPServer?
  private let connection: OpaquePointer
  private var isSuspended = false
  private var isCompleted = false

  private var bodyChunks: [[UInt8]] = []
  private var bodyBytes = 0
  private var bodyReceived: UInt64 = 0
  private var hasBodyEnded = false
  private var bodyReader: CheckedContinuation<Void, Never>?
  private var refusesBody = false

  private var response: OpaquePointer?
  private var responseStatus: UInt32 = 200
  private var isQueued = false
  private var hasAnswer = false
  /// Pieces queued for the client.
  private var output = Queue<[UInt8]>()
  /// Bytes of the first piece already sent.
  private var outputOffset = 0
  private var outputBytes = 0
  private var hasFinished = false
  private var writer: CheckedContinuation<Void, Never>?

  init(
    server: HTTPServer, connection: OpaquePointer, number: ConnectionTable.Number, head: HTTPRequestHead,
    peer: PeerCredentials?
  ) {
    self.server = server
    self.number = number
    self.peer = peer
    self.connection = connection
    self.head = head
  }

  /// The IPv4 address of the client, in network byte order; 0 on a Unix socket.
  package var address: UInt32 { CMicroHTTPD_peer_address(CMicroHTTPD_socket(connection)) }

  /// The user of this machine who owns the other end of a connection over the loopback interface; nil if the kernel names
  /// none. A forwarded port counts as that of the user who forwards it.
  package var loopbackUser: UInt32? {
    UInt32(exactly: CMicroHTTPD_loopback_user(CMicroHTTPD_socket(connection)))
  }

  /// Who sent the request, as far as that was recorded.
  package private(set) var holder: HTTPHolder?

  /// Records who sent the request, which keeps its connection from being closed in favor of others.
  ///
  /// - Parameter waits: whether the answer can take long, as that of a long poll does.
  /// - Returns: false if the holder has as many requests as it may have; this one must not be served.
  package func claim(for holder: HTTPHolder, waits: Bool) -> Bool {
    self.holder = holder
    return server?.claim(number, for: holder, waits: waits) ?? true
  }

  // MARK: The body

  /// The next bytes of the body; nil at its end.
  ///
  /// - Throws: `disconnected` if the client hangs up first.
  package func nextBodyChunk() async throws(KacheryError) -> [UInt8]? {
    while bodyChunks.isEmpty, !hasBodyEnded, !isCancelled {
      resume()
      await withCheckedContinuation { bodyReader = $0 }
    }
    guard !isCancelled else { throw KacheryError(.disconnected, "The client hung up.") }
    guard !bodyChunks.isEmpty else { return nil }
    let chunk = bodyChunks.removeFirst()
    bodyBytes -= chunk.count
    return chunk
  }

  /// The whole body.
  ///
  /// - Throws: `tooLarge` if it has more than `limit` bytes; the rest is then not read.
  package func readBody(limit: Int) async throws(KacheryError) -> [UInt8] {
    if let length = head.contentLength, length > UInt64(limit) { throw refuseBody(limit: limit) }
    var body: [UInt8] = []
    // Growing step by step would need twice the memory.
    if let length = head.contentLength { body.reserveCapacity(Int(length)) }
    while let chunk = try await nextBodyChunk() {
      guard body.count + chunk.count <= limit else { throw refuseBody(limit: limit) }
      body += chunk
    }
    return body
  }

  private func refuseBody(limit: Int) -> KacheryError {
    refusesBody = true
    return KacheryError(.tooLarge, "The body of the request is larger than the limit of \(limit) bytes.")
  }

  // MARK: The answer

  /// Answers the request.
  package func respond(_ answer: HTTPResponse) {
    guard !hasAnswer, !isCompleted else { return }
    hasAnswer = true
    hasFinished = true
    responseStatus = UInt32(answer.status)
    response = answer.body.withUnsafeBytes { body in
      MHD_create_response_from_buffer(
        body.count, UnsafeMutableRawPointer(mutating: body.baseAddress), .RESPMEM_MUST_COPY)
    }
    add(answer.headers)
    resume()
  }

  /// Starts an answer that is sent piece by piece.
  ///
  /// - Parameter length: the number of bytes. The caller writes all of them, unless the request is for the head alone. If it is
  ///   nil, the number is not known, and the answer is chunked.
  package func beginStream(
    status: Int = 200, length: UInt64? = nil, headers: [(name: String, value: String)]
  ) {
    guard !hasAnswer, !isCompleted else { return }
    hasAnswer = true
    responseStatus = UInt32(status)
    response = CMicroHTTPD_stream(
      length ?? .max, 64 << 10,
      { context, _, buffer, room in
        guard let context, let buffer else { return CMicroHTTPD_end_of_stream() }
        return Unmanaged<HTTPExchange>.fromOpaque(context).takeUnretainedValue().fill(buffer, room)
      }, Unmanaged.passUnretained(self).toOpaque())
    add(headers)
    resume()
  }

  /// Sends the next bytes of a streamed answer; waits while the client is slow.
  ///
  /// - Throws: `disconnected` if the client has hung up.
  package func write(_ bytes: [UInt8]) async throws(KacheryError) {
    guard !isCancelled else { throw KacheryError(.disconnected, "The client hung up.") }
    guard !bytes.isEmpty else { return }
    output.append(bytes)
    outputBytes += bytes.count
    resume()
    while outputBytes > Self.bufferLimit, !isCancelled { await withCheckedContinuation { writer = $0 } }
    guard !isCancelled else { throw KacheryError(.disconnected, "The client hung up.") }
  }

  /// Waits until the client has taken everything that was written, apart from what the system buffers.
  ///
  /// - Throws: `disconnected` if the client has hung up.
  package func drain() async throws(KacheryError) {
    while outputBytes > 0, !isCancelled { await withCheckedContinuation { writer = $0 } }
    guard !isCancelled else { throw KacheryError(.disconnected, "The client hung up.") }
  }

  /// Ends a streamed answer. Idempotent.
  package func finish() {
    hasFinished = true
    resume()
  }

  /// Ends a streamed answer in a way that the client can distinguish from a complete one.
  package func abort() {
    cancel()
    resume()
  }

  /// Closes the connection now, also if the client takes nothing: the library would wait until it does.
  package func cutOff() {
    abort()
    server?.cutOff(number)
  }

  private func add(_ headers: [(name: String, value: String)]) {
    for (name, value) in headers { MHD_add_response_header(response, name, value) }
    if refusesBody { MHD_add_response_header(response, "Connection", "close") }
  }

  /// Coalesces queued pieces: one system call per small piece would dominate.
  private func fill(_ buffer: UnsafeMutablePointer<CChar>, _ room: Int) -> Int {
    guard !isCancelled else { return -2 }
    guard !output.isEmpty else {
      if hasFinished { return CMicroHTTPD_end_of_stream() }
      suspend()
      return 0
    }
    var count = 0
    while count < room, let piece = output.first {
      let part = min(room - count, piece.count - outputOffset)
      piece.withUnsafeBytes { bytes in
        UnsafeMutableRawBufferPointer(start: buffer + count, count: part)
          .copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[outputOffset..<outputOffset + part]))
      }
      count += part
      outputOffset += part
      if outputOffset == piece.count {
        output.removeFirst(1)
        outputOffset = 0
      }
    }
    outputBytes -= count
    if outputBytes <= Self.bufferLimit / 2 { wake(&writer) }
    return count
  }

  // MARK: Calls from the server

  /// Refuses a request of which it is not certain where its body ends, and closes the connection.
  func refuse(_ reason: String) {
    refusesBody = true
    respond(HTTPResponse(status: 400, contentType: "text/plain; charset=utf-8", body: Array(reason.utf8)))
  }

  func headReceived() -> MHD_Result {
    // An answer that is ready before the body is a refusal: the body is not needed.
    if hasAnswer { return queueAnswer() }
    // The library would wait for a chunk. It calls again after the suspension, and closes the connection in the end.
    if head.framing == .emptyBody {
      hasBodyEnded = true
      suspend()
    }
    return .YES
  }

  func received(_ data: UnsafePointer<CChar>?, _ count: UnsafeMutablePointer<Int>) -> MHD_Result {
    if isCancelled { return .NO }
    if count.pointee > 0 {
      bodyReceived += UInt64(count.pointee)
      if refusesBody, head.contentLength == nil { return .NO }
      if hasAnswer || refusesBody {
        count.pointee = 0
        return .YES
      }
      guard bodyBytes < Self.bufferLimit else {
        bodyReceived -= UInt64(count.pointee)
        suspend()
        return .YES
      }
      bodyChunks.append(Array(UnsafeRawBufferPointer(start: data, count: count.pointee)))
      bodyBytes += count.pointee
      count.pointee = 0
      wake(&bodyReader)
      return .YES
    }
    if head.framing == .emptyBody, hasUnexpectedBody { return .NO }
    if !hasBodyEnded {
      hasBodyEnded = true
      wake(&bodyReader)
    }
    if hasAnswer { return queueAnswer() }
    suspend()
    return .YES
  }

  /// Whether something other than the end of a body in chunks follows an empty body.
  private var hasUnexpectedBody: Bool {
    server?.isEncrypted == false && ![-1, Int32(UInt8(ascii: "0"))].contains(CMicroHTTPD_next_byte(connection))
  }

  private func queueAnswer() -> MHD_Result {
    guard !isQueued, let response else { return .YES }
    isQueued = true
    let result = MHD_queue_response(connection, responseStatus, response)
    MHD_destroy_response(response)
    self.response = nil
    return result
  }

  /// How many bytes of the body have arrived, while the client owes more; nil if it owes nothing, or must wait itself.
  var missingBody: UInt64? { hasBodyEnded || isSuspended || isQueued ? nil : bodyReceived }

  func checkHangUp() {
    guard isSuspended, CMicroHTTPD_has_hung_up(connection) != 0 else { return }
    cancel()
    resume()
  }

  func serverCloses() {
    cancel()
    // The library does not stop while a connection is suspended.
    if isSuspended {
      isSuspended = false
      MHD_resume_connection(connection)
    }
  }

  func completed() {
    isCompleted = true
    if let response { MHD_destroy_response(response) }
    response = nil
    if !(hasFinished && output.isEmpty) { cancel() }
    wake(&bodyReader)
    wake(&writer)
    onCancel = nil
  }

  private func cancel() {
    guard !isCancelled else { return }
    isCancelled = true
    let tell = onCancel
    onCancel = nil
    wake(&bodyReader)
    wake(&writer)
    tell?()
  }

  private func suspend() {
    guard !isSuspended else { return }
    isSuspended = true
    MHD_suspend_connection(connection)
  }

  private func resume() {
    guard isSuspended, !isCompleted else { return }
    isSuspended = false
    MHD_resume_connection(connection)
    server?.workIsReady()
  }

  private func wake(_ continuation: inout CheckedContinuation<Void, Never>?) {
    let waiting = continuation
    continuation = nil
    waiting?.resume()
  }
}
