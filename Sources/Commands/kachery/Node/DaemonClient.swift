import APIModel
import Files
import HTTP
import Primitives
import Process

/// A running daemon, reached over its local API.
struct DaemonClient: Sendable {
  let probe: ProbeReply
  /// The daemon's storage directory, as this machine sees it.
  let storageDirectory: String
  private let base: String
  /// The daemon's Unix socket, if this user may use it.
  private let socket: String?
  /// Empty if this user needs no token.
  private let token: String
  /// Whether the daemon runs on another machine, so that paths mean nothing between the two.
  let isRemote: Bool

  /// The file of the token that the user was given for a daemon on another machine.
  static var tokenFile: String? { Environment["KACHERY_API_TOKEN_FILE"] }
  /// The file of that daemon's certificate.
  static var certificateFile: String? { Environment["KACHERY_API_CERTIFICATE_FILE"] }

  /// Where a daemon would be: `http://HOST:PORT`, or `https://…` if a certificate is named.
  static var address: String {
    let host = Environment["KACHERY_P2P_API_HOST"] ?? Environment["KACHERY_DAEMON_HOST"] ?? "localhost"
    let port = Environment["KACHERY_P2P_API_PORT"] ?? Environment["KACHERY_DAEMON_PORT"] ?? "\(APIVersion.defaultPort)"
    return "\(certificateFile == nil ? "http" : "https")://\(host):\(port)"
  }

  /// The daemon that answers; nil if none does.
  ///
  /// - Throws: if the daemon that answers is not the one of `KACHERY_STORAGE_DIR`, or if this user may not read its
  ///   token.
  static func connect() throws(KacheryError) -> DaemonClient? {
    try checkVariables()
    if let client = try namedByDirectory() { return client }
    guard let probe = try probe() else { return nil }
    if let tokenFile { return try remote(probe, tokenFile) }
    // What is served with a certificate wants the token for other machines, also from this one.
    guard certificateFile == nil else {
      throw KacheryError(
        .permissionDenied,
        "The daemon at \(address) wants a token; name the file of the one that its owner gave you in "
          + "KACHERY_API_TOKEN_FILE.")
    }
    let directory = Environment["KACHERY_STORAGE_DIR"] ?? probe.storageDirectory
    guard let node = read("\(directory)/kachery-node-id") else {
      throw KacheryError(
        .forbidden,
        "The daemon at \(address) says that its storage directory is \(probe.storageDirectory), but "
          + "\(directory) cannot be read from here. "
          + (remoteRemedy ?? (Environment["KACHERY_STORAGE_DIR"] == nil ? waysOut : "Correct KACHERY_STORAGE_DIR.")))
    }
    guard node == probe.node.hex else {
      throw KacheryError(
        .badConfiguration,
        "The storage directory \(directory) belongs to another node than the daemon at \(address), "
          + "whose directory is \(probe.storageDirectory). Correct KACHERY_STORAGE_DIR, or unset it.")
    }
    if let client = try throughSocket(in: directory), client.probe.node == probe.node { return client }
    guard let token = read("\(directory)/client-auth") else {
      throw KacheryError(
        .permissionDenied,
        "The daemon at \(address) is another user's: you may not use this daemon, because \(directory)/client-auth cannot "
          + "be read. \(waysOut)")
    }
    return DaemonClient(
      probe: probe, storageDirectory: directory, base: address, socket: nil, token: token, isRemote: false)
  }

  /// The daemon of the storage directory, on whatever port, if the environment names neither a host nor a port.
  private static func namedByDirectory() throws(KacheryError) -> DaemonClient? {
    let names = [
      "KACHERY_P2P_API_HOST", "KACHERY_DAEMON_HOST", "KACHERY_P2P_API_PORT", "KACHERY_DAEMON_PORT",
      "KACHERY_API_TOKEN_FILE", "KACHERY_API_CERTIFICATE_FILE",
    ]
    guard names.allSatisfy({ Environment[$0] == nil }),
      let directory = Environment["KACHERY_STORAGE_DIR"] ?? Environment.home.map({ "\($0)/kachery-storage" })
    else { return nil }
    return try throughSocket(in: directory)
  }

  /// The daemon of this storage directory, whatever the environment names; nil if none answers there.
  static func inDirectory(_ directory: String) throws(KacheryError) -> DaemonClient? {
    try throughSocket(in: directory)
  }

  /// The daemon at the Unix socket in this directory; nil if there is none, or if this user may not use it.
  private static func throughSocket(in directory: String) throws(KacheryError) -> DaemonClient? {
    let path = "\(directory)/\(APIVersion.socketName)"
    guard FileSystem.isWritable(path), let probe = try probe(socket: path), let socket = probe.socket, socket.hasAccess
    else { return nil }
    return DaemonClient(
      probe: probe, storageDirectory: directory, base: "http://localhost:\(socket.port)", socket: path,
      token: read("\(directory)/client-auth") ?? "", isRemote: false)
  }

  /// Checks the environment, to name a wrong variable instead of failing to connect.
  private static func checkVariables() throws(KacheryError) {
    for name in ["KACHERY_P2P_API_PORT", "KACHERY_DAEMON_PORT"] {
      guard let text = Environment[name], UInt16(text) ?? 0 == 0 else { continue }
      throw KacheryError(.badConfiguration, "\(name) is '\(text)', which is not a port number from 1 to 65535.")
    }
    if let certificateFile, !FileSystem.isReadable(certificateFile) {
      throw KacheryError(
        .badConfiguration, "KACHERY_API_CERTIFICATE_FILE is \(certificateFile), which cannot be read; correct it.")
    }
    guard tokenFile == nil || certificateFile != nil else {
      throw KacheryError(
        .badConfiguration,
        "The token for the daemon at \(address) would be sent unencrypted: name its certificate in "
          + "KACHERY_API_CERTIFICATE_FILE.")
    }
  }

  private static func remote(_ probe: ProbeReply, _ tokenFile: String) throws(KacheryError) -> DaemonClient {
    guard let token = remoteToken else {
      throw KacheryError(
        .permissionDenied, "KACHERY_API_TOKEN_FILE is \(tokenFile), which cannot be read or is empty; correct it.")
    }
    return DaemonClient(
      probe: probe, storageDirectory: probe.storageDirectory, base: address, socket: nil, token: token, isRemote: true)
  }

  /// The token for a daemon on another machine; nil if there is none, or if it cannot be read.
  private static var remoteToken: String? {
    guard let token = tokenFile.flatMap(read)?.filter({ !$0.isWhitespace }), !token.isEmpty else { return nil }
    return token
  }

  /// The daemon that answers.
  ///
  /// - Throws: `noDaemon` if none does.
  static func require() throws(KacheryError) -> DaemonClient {
    guard let client = try connect() else { throw missing("") }
    return client
  }

  /// The error if no daemon answers and one is needed.
  static func missing(_ more: String) -> KacheryError {
    if let remoteRemedy {
      return KacheryError(.noDaemon, "No kachery daemon answers at \(address). \(remoteRemedy)")
    }
    if hostVariable == nil, let failure = DaemonLog.ownDirectory.flatMap({ DaemonLog(directory: $0).failedStart }) {
      return KacheryError(.noDaemon, "No kachery daemon answers at \(address). \(failure)")
    }
    let remedy = hostVariable.map { "Start one there with kachery-p2p-start-daemon, correct \($0)" }
    return KacheryError(
      .noDaemon,
      "No kachery daemon answers at \(address). \(remedy ?? "Start one with kachery-p2p-start-daemon")\(more).")
  }

  /// Whether the daemon still answers.
  var isAnswering: Bool { ((try? Self.probe(socket: socket)) ?? nil) != nil }

  /// The reply of the daemon, whether or not this user may use it; nil if none answers.
  static func whoAnswers() throws(KacheryError) -> ProbeReply? {
    if let client = try namedByDirectory() { return client.probe }
    return try probe()
  }

  /// The reply of the daemon, at the socket if one is given; nil if none answers.
  private static func probe(socket: String? = nil) throws(KacheryError) -> ProbeReply? {
    var request = HTTPRequest("GET", "\(socket == nil ? address : "http://localhost")/probe")
    request.unixSocket = socket
    if socket == nil { request.certificateFile = certificateFile }
    // Another machine names its channels only to those with its token, which never travels unencrypted.
    if socket == nil, certificateFile != nil, let token = remoteToken {
      request.headers = [("Authorization", "Bearer \(token)")]
    }
    request.connectTimeout = .seconds(3)
    request.timeout = .seconds(10)
    let (status, body): (Int, [UInt8])
    do throws(KacheryError) { (status, body) = try HTTPClient.fetch(request, limit: 4 << 20) } catch {
      switch error.code {
      case .disconnected: return nil
      case .timedOut:
        throw KacheryError(.noDaemon, "The program listening at \(address) does not answer; try again, or restart it.")
      case .badKey:
        throw KacheryError(
          .badConfiguration,
          "The daemon at \(address) presents a different certificate than the one in \(certificateFile ?? "")"
            + ". Ask the daemon's owner for its certificate, and correct KACHERY_API_CERTIFICATE_FILE.")
      default: throw error
      }
    }
    guard status != 401, status != 403 else { throw tokenRefused(error(status, body)) }
    guard let json = try? JSONParser.parse(body) else {
      throw KacheryError(
        .noDaemon,
        "The program at \(address) is not a kachery daemon. \(remoteRemedy ?? "Choose its port with KACHERY_P2P_API_PORT.")"
      )
    }
    return try ProbeReply(json: json)
  }

  private static func read(_ path: String) -> String? {
    guard let stream = try? FileStream(path, .read), let bytes = try? stream.read(atMost: 4_096) else { return nil }
    return String(decoding: bytes, as: UTF8.self)
  }

  /// Where browsers and other programs find the API.
  var address: String { base }

  /// The address of the status page, with the token that opens it.
  var pageAddress: String { "\(base)/?token=\(token)" }

  // MARK: Requests

  func request(_ method: String, _ path: String) -> HTTPRequest {
    var request = HTTPRequest(method, base + path)
    request.headers = [isRemote ? ("Authorization", "Bearer \(token)") : (APIVersion.tokenHeader, token)]
    request.certificateFile = Self.certificateFile
    request.unixSocket = socket
    return request
  }

  private func json(_ request: HTTPRequest) throws(KacheryError) -> JSONValue {
    let (status, body) = try HTTPClient.fetch(request, limit: MessageStream.maximumMessage)
    guard status == 200 else { throw Self.error(status, body) }
    do { return try JSONParser.parse(body) } catch {
      throw KacheryError(.protocolViolation, "The daemon's answer to \(request.url) is not JSON.", cause: error)
    }
  }

  static func error(_ status: Int, _ body: [UInt8]) -> KacheryError {
    let sentence = String(decoding: body.prefix(4_096), as: UTF8.self)
    let code: KacheryError.Code =
      switch status {
      case 400: .badRequest
      case 403: .forbidden
      case 404: .notFound
      default: .internalError
      }
    return KacheryError(code, sentence.isEmpty ? "The daemon answered with status \(status)." : sentence)
  }

  /// The daemon's reply to a program that shows its token, with the channels.
  func currentProbe() throws(KacheryError) -> ProbeReply { try ProbeReply(json: try get("/probe")) }

  /// Asks for a path that changes nothing.
  func get(_ path: String) throws(KacheryError) -> JSONValue { try json(request("GET", path)) }

  /// How the daemon's node meets others, in a channel or altogether.
  ///
  /// - Parameter refreshes: whether the channel's document is read before.
  func meeting(in channel: ByteString? = nil, refreshes: Bool = false) throws(KacheryError) -> MeetingState {
    var body: JSONObject = [:]
    if let channel { body["channel"] = .string(channel.text) }
    if refreshes { body["refresh"] = true }
    return try MeetingState(json: try post("/v1/meeting", .object(body)))
  }

  /// Sends a JSON body and returns the JSON of the answer.
  func post(_ path: String, _ body: JSONValue, timeout: Duration? = nil) throws(KacheryError) -> JSONValue {
    var request = request("POST", path)
    request.timeout = timeout
    request.body = .bytes(body.compactBytes)
    return try json(request)
  }

  /// Sends everything from a stream as a file to be stored.
  func upload(_ stream: FileStream, size: UInt64?, named name: String = "") throws(KacheryError) -> StoreReply {
    var request = request("POST", "/store")
    if !name.isEmpty { request.headers.append((APIVersion.nameHeader, PercentEncoding.encode(name))) }
    request.body = .descriptor(stream.descriptor, size: size)
    let reply = try json(request)
    return try withExtendedLifetime(stream) { () throws(KacheryError) in try StoreReply(json: reply) }
  }

  /// Sends bytes as a file to be stored.
  func upload(_ bytes: [UInt8], named name: String = "") throws(KacheryError) -> StoreReply {
    var request = request("POST", "/store")
    if !name.isEmpty { request.headers.append((APIVersion.nameHeader, PercentEncoding.encode(name))) }
    request.body = .bytes(bytes)
    return try StoreReply(json: try json(request))
  }

  /// Passes each message of a streamed answer to `receive` as it arrives, until `receive` returns false.
  func messages(
    _ path: String, _ body: JSONValue, timeout: Duration? = nil, _ receive: (JSONValue) -> Bool
  ) throws(KacheryError) {
    var request = request("POST", path)
    request.body = .bytes(body.compactBytes)
    request.timeout = timeout
    var decoder = MessageStreamDecoder()
    do throws(KacheryError) {
      try stream(
        request, decode: { (bytes) throws(KacheryError) in try decoder.receive(bytes) }, receive: receive)
    } catch {
      guard error.code == .timedOut else { throw error }
      throw KacheryError(.timedOut, "The time given with --timeout has run out.")
    }
  }

  /// Passes each event of the daemon to `receive`, until it returns false or the daemon ends the stream.
  func events(_ receive: (_ name: String, JSONValue) -> Bool) throws(KacheryError) {
    var decoder = EventStreamDecoder()
    try stream(
      request("GET", "/v1/events"), decode: { (bytes) throws(KacheryError) in try decoder.receive(bytes) },
      receive: { receive($0.name, $0.data) })
  }

  /// Passes each part of a streamed answer to `receive` as it arrives, until `receive` returns false.
  ///
  /// - Parameter decode: takes the next bytes, and returns the parts that end with them.
  private func stream<Part>(
    _ request: HTTPRequest, decode: (UnsafeRawBufferPointer) throws(KacheryError) -> [Part],
    receive: (Part) -> Bool
  ) throws(KacheryError) {
    var refusal: [UInt8] = []
    var broken: KacheryError?
    var isEnough = false
    do throws(KacheryError) {
      let status = try HTTPClient.stream(request) { status, bytes in
        guard status == 200 else {
          refusal += bytes
          return refusal.count < 65_536
        }
        do throws(KacheryError) {
          for part in try decode(bytes) where !isEnough { isEnough = !receive(part) }
        } catch {
          broken = error
        }
        return broken == nil && !isEnough
      }
      guard status == 200 else { throw Self.error(status, refusal) }
    } catch {
      if let broken { throw broken }
      if !isEnough { throw error }
    }
  }

  /// Passes the bytes of a file that the daemon has to `receive`, until it returns false.
  func download(
    _ body: JSONValue, from path: String = "/downloadFileData", timeout: Duration? = nil,
    _ receive: (UnsafeRawBufferPointer) -> Bool
  ) throws(KacheryError) {
    var request = request("POST", path)
    request.body = .bytes(body.compactBytes)
    request.timeout = timeout
    var refusal: [UInt8] = []
    let status = try HTTPClient.stream(request) { status, bytes in
      guard status == 200 else {
        refusal += bytes
        return refusal.count < 65_536
      }
      return receive(bytes)
    }
    guard status == 200 else { throw Self.error(status, refusal) }
  }
}
