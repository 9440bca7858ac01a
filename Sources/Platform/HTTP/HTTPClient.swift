internal import CCurl
internal import Glibc
package import Primitives

/// A request to an HTTP server.
package struct HTTPRequest: Sendable {
  /// The content after the head.
  package enum Body: Sendable {
    case none
    case bytes([UInt8])
    /// All bytes from an open descriptor to its end, with the size if it is known.
    case descriptor(Int32, size: UInt64?)
  }

  /// Which proxies a request uses.
  package enum Proxies: Sendable {
    case none
    /// Those of the environment.
    case environment
    case rules(ProxyRules)
  }

  package var method: String
  package var url: String
  package var headers: [(name: String, value: String)] = []
  package var body = Body.none
  /// Limit for connecting.
  package var connectTimeout: Duration = .seconds(5)
  /// Limit for the whole request; nil for none.
  package var timeout: Duration?
  /// Most redirects to follow.
  package var redirects = 0
  /// The file of the server's certificate, the only one then accepted; nil for the system's authorities.
  package var certificateFile: String?
  /// The Unix socket of the server, used instead of the URL's host and port.
  package var unixSocket: String?
  /// The proxies to use. Never any for a daemon on this machine.
  package var proxies = Proxies.none
  /// Whether only addresses that can be reached from everywhere may be connected to, whatever the URL's name resolves to
  /// and wherever it redirects. The address of a proxy counts as well.
  package var onlyPublicAddresses = false

  package init(_ method: String, _ url: String) {
    self.method = method
    self.url = url
  }
}

/// An HTTP client that blocks its thread: for commands, and for a worker thread of the daemon.
package enum HTTPClient {
  /// The status and the whole body of the answer.
  ///
  /// - Throws: `tooLarge` if the body has more than `limit` bytes, `timedOut`, `badKey` if the server's certificate is
  ///   not the expected one or not trusted, or `disconnected` if the server cannot be reached.
  package static func fetch(
    _ request: HTTPRequest, limit: Int
  ) throws(KacheryError) -> (status: Int, body: [UInt8]) {
    var body: [UInt8] = []
    var isTooLarge = false
    do throws(KacheryError) {
      let status = try stream(request) { _, bytes in
        body.append(contentsOf: bytes)
        isTooLarge = body.count > limit
        return !isTooLarge
      }
      return (status, body)
    } catch {
      guard isTooLarge else { throw error }
      throw KacheryError(.tooLarge, "The answer from \(request.url) is larger than \(limit) bytes.")
    }
  }

  /// Passes the body of the answer to `receive` as it arrives, with the status; `receive` returns whether to continue.
  ///
  /// - Returns: the status of the answer.
  /// - Throws: `cancelled` if `receive` returns false.
  @discardableResult
  package static func stream(
    _ request: HTTPRequest, _ receive: (Int, UnsafeRawBufferPointer) -> Bool
  ) throws(KacheryError) -> Int {
    try withoutActuallyEscaping(receive) { receive throws(KacheryError) in
      try CurlTransfer(request, receive).run()
    }
  }
}

/// One transfer, and the sole owner of its handle.
private final class CurlTransfer {
  private let handle: UnsafeMutableRawPointer
  private let request: HTTPRequest
  private let receive: (Int, UnsafeRawBufferPointer) -> Bool
  private var headers: UnsafeMutablePointer<curl_slist>?
  private var problem = [CChar](repeating: 0, count: Int(CURL_ERROR_SIZE))
  private var sent = 0
  private var hasStopped = false
  private var refusedAddress: IPAddress?
  private var socketAddress: UnixSocket.Address?

  init(_ request: HTTPRequest, _ receive: @escaping (Int, UnsafeRawBufferPointer) -> Bool) throws(KacheryError) {
    guard let handle = curl_easy_init() else { throw KacheryError(.internalError, "There is no memory for a request.") }
    self.handle = handle
    self.request = request
    self.receive = receive
  }

  deinit {
    curl_slist_free_all(headers)
    curl_easy_cleanup(handle)
  }

  func run() throws(KacheryError) -> Int {
    socketAddress = try request.unixSocket.map { path throws(KacheryError) in try UnixSocket.Address(path) }
    configure()
    let result = curl_easy_perform(handle)
    guard result != CURLE_OK else { return CCurl_status(handle) }
    if hasStopped { throw KacheryError(.cancelled, "The transfer was cancelled.") }
    if let refusedAddress {
      throw KacheryError(.forbidden, "\(request.url) leads to \(refusedAddress), which is not a public address.")
    }
    let code: KacheryError.Code =
      switch result {
      case CURLE_OPERATION_TIMEDOUT: .timedOut
      case CURLE_PEER_FAILED_VERIFICATION, CURLE_SSL_CACERT_BADFILE: .badKey
      default: .disconnected
      }
    throw KacheryError(code, "\(request.url) cannot be reached: \(String(cString: curl_easy_strerror(result))).")
  }

  private func configure() {
    let context = Unmanaged.passUnretained(self).toOpaque()
    CCurl_set_text(handle, CURLOPT_URL, request.url)
    CCurl_set_text(handle, CURLOPT_PROTOCOLS_STR, "http,https")
    // What was requested over TLS is not fetched without it.
    let isSecure = request.url.lowercasedASCII.begins(with: "https:")
    CCurl_set_text(handle, CURLOPT_REDIR_PROTOCOLS_STR, isSecure ? "https" : "http,https")
    CCurl_set_long(handle, CURLOPT_NOSIGNAL, 1)
    CCurl_set_long(handle, CURLOPT_CONNECTTIMEOUT_MS, Int(request.connectTimeout.wholeMilliseconds))
    if let timeout = request.timeout { CCurl_set_long(handle, CURLOPT_TIMEOUT_MS, Int(timeout.wholeMilliseconds)) }
    CCurl_set_long(handle, CURLOPT_FOLLOWLOCATION, request.redirects > 0 ? 1 : 0)
    CCurl_set_long(handle, CURLOPT_MAXREDIRS, request.redirects)
    if let file = request.certificateFile {
      CCurl_set_text(handle, CURLOPT_CAINFO, file)
      // The certificate itself is compared, so the host name in the URL does not matter.
      CCurl_set_long(handle, CURLOPT_SSL_VERIFYHOST, 0)
    }
    if let socketAddress { CCurl_set_text(handle, CURLOPT_UNIX_SOCKET_PATH, socketAddress.path) }
    switch request.proxies {
    case .none: CCurl_set_text(handle, CURLOPT_PROXY, "")
    case .environment: break
    case .rules(let rules):
      CCurl_set_text(handle, CURLOPT_PROXY, rules.text)
      CCurl_set_text(handle, CURLOPT_NOPROXY, rules.exceptionText)
    }
    if request.onlyPublicAddresses { checkAddresses(context) }
    CCurl_set_long(handle, CURLOPT_BUFFERSIZE, 256 << 10)
    for (name, value) in request.headers { headers = curl_slist_append(headers, "\(name): \(value)") }
    // Waiting for "100 Continue" would add a round trip without any benefit on one machine.
    headers = curl_slist_append(headers, "Expect:")
    CCurl_set_pointer(handle, CURLOPT_HTTPHEADER, headers)
    CCurl_set_pointer(handle, CURLOPT_WRITEDATA, context)
    CCurl_set_callback(handle, CURLOPT_WRITEFUNCTION) { bytes, size, count, context in
      guard let context, let bytes else { return 0 }
      let transfer = Unmanaged<CurlTransfer>.fromOpaque(context).takeUnretainedValue()
      return transfer.received(UnsafeRawBufferPointer(start: bytes, count: size * count))
    }
    configureBody(context)
  }

  private func checkAddresses(_ context: UnsafeMutableRawPointer) {
    CCurl_set_pointer(handle, CURLOPT_OPENSOCKETDATA, context)
    CCurl_set_opener(handle) { context, _, address in
      guard let context, let address else { return CURL_SOCKET_BAD }
      let wanted = IPAddress(UnsafePointer(address))
      guard wanted?.scope == .global else {
        Unmanaged<CurlTransfer>.fromOpaque(context).takeUnretainedValue().refusedAddress = wanted
        return CURL_SOCKET_BAD
      }
      return socket(address.pointee.family, address.pointee.socktype | O_CLOEXEC, address.pointee.protocol)
    }
  }

  private func configureBody(_ context: UnsafeMutableRawPointer) {
    switch request.body {
    case .none where request.method == "GET": return
    case .none: setUploadSize(0, context)
    case .bytes(let bytes): setUploadSize(UInt64(bytes.count), context)
    case .descriptor(_, let size): setUploadSize(size, context)
    }
  }

  private func setUploadSize(_ size: UInt64?, _ context: UnsafeMutableRawPointer) {
    CCurl_set_long(handle, CURLOPT_POST, 1)
    CCurl_set_text(handle, CURLOPT_CUSTOMREQUEST, request.method)
    CCurl_set_size(handle, CURLOPT_POSTFIELDSIZE_LARGE, size.map { Int64(clamping: $0) } ?? -1)
    if size == nil {
      headers = curl_slist_append(headers, "Transfer-Encoding: chunked")
      CCurl_set_pointer(handle, CURLOPT_HTTPHEADER, headers)
    }
    CCurl_set_pointer(handle, CURLOPT_READDATA, context)
    CCurl_set_callback(handle, CURLOPT_READFUNCTION) { buffer, size, count, context in
      guard let context, let buffer else { return Int(CURL_READFUNC_ABORT) }
      let transfer = Unmanaged<CurlTransfer>.fromOpaque(context).takeUnretainedValue()
      return transfer.send(UnsafeMutableRawBufferPointer(start: buffer, count: size * count))
    }
  }

  private func received(_ bytes: UnsafeRawBufferPointer) -> Int {
    guard receive(CCurl_status(handle), bytes) else {
      hasStopped = true
      return 0
    }
    return bytes.count
  }

  private func send(_ buffer: UnsafeMutableRawBufferPointer) -> Int {
    switch request.body {
    case .none: return 0
    case .bytes(let bytes):
      let part = bytes[sent...].prefix(buffer.count)
      buffer.copyBytes(from: part)
      sent += part.count
      return part.count
    case .descriptor(let descriptor, _):
      while true {
        let count = read(descriptor, buffer.baseAddress, buffer.count)
        if count < 0, errno == EINTR { continue }
        return count < 0 ? Int(CURL_READFUNC_ABORT) : count
      }
    }
  }
}

extension IPAddress {
  /// The address to which libcurl is about to connect; nil if it is of another kind.
  fileprivate init?(_ address: UnsafePointer<curl_sockaddr>) {
    guard let offset = MemoryLayout<curl_sockaddr>.offset(of: \.addr) else { return nil }
    // The structure continues beyond its declared size: sockaddr_in, or sockaddr_in6.
    let start = UnsafeRawPointer(address) + offset
    switch address.pointee.family {
    case AF_INET: self.init(bytes: Array(UnsafeRawBufferPointer(start: start + 4, count: 4)))
    case AF_INET6: self.init(bytes: Array(UnsafeRawBufferPointer(start: start + 8, count: 16)))
    default: return nil
    }
  }
}
