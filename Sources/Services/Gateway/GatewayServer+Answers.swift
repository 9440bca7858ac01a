import EventLoop
import HTTP
import Primitives

/// The answers to requests that name something.
extension GatewayServer {
  /// Bytes of indexes that may be sent at a time.
  private static let mostIndexBytes = 64 << 20

  private typealias Headers = [(name: String, value: String)]

  func answer(_ exchange: HTTPExchange) async throws(KacheryError) {
    let head = exchange.head
    switch GatewayTarget(path: head.path, manifest: head.query["manifest"]) {
    case nil: throw KacheryError(.notFound, "There is nothing at this path.")
    case .root:
      let text = "This is a kachery gateway: it serves shared files at /sha1/HASH and folders at /sha1dir/HASH.\n"
      respond(
        exchange,
        HTTPResponse(
          contentType: "text/plain; charset=utf-8", body: Array(text.utf8),
          headers: access.headers(for: head.headers["origin"])))
    case .file(let key, let name): try await sendFile(key, named: name, exchange)
    case .folder(let uri, let hasFinalSlash): try await sendEntry(uri, hasFinalSlash, exchange)
    }
  }

  // MARK: Files

  private func sendFile(_ key: FileKey, named name: String, _ exchange: HTTPExchange) async throws(KacheryError) {
    let file = try await open(key, exchange)
    let headers = FileHeaders(hash: key.hash, name: name)
    let conditions = Preconditions(exchange.head.headers)
    let origin = access.headers(for: exchange.head.headers["origin"])
    switch conditions.outcome(of: headers.tag) {
    case .failed: return refuse(exchange, 412, "What is here has another tag: \(headers.tag)")
    case .notModified:
      return finishHead(exchange, status: 304, length: file.size, headers.validators + origin)
    case .send: break
    }
    // A range means nothing to other methods than GET (RFC 9110, section 14.2).
    let isRanged = ByteString(exchange.head.method) == "GET" && conditions.allowsRange(of: headers.tag)
    switch RangeRequest(isRanged ? exchange.head.headers["range"] : nil, size: file.size) {
    case .unsatisfiable:
      refuse(exchange, 416, "The file has \(file.size) bytes.", [("Content-Range", "bytes */\(file.size)")])
    case .whole:
      let range = ByteRange(whole: file.size)
      try await send(try file.bytes(range), status: 200, headers.all + origin, exchange)
    case .part(let range):
      let place = ("Content-Range", "bytes \(range.start)-\(range.end - 1)/\(file.size)")
      try await send(try file.bytes(range), status: 206, headers.all + [place] + origin, exchange)
    }
  }

  private func open(_ key: FileKey, _ exchange: HTTPExchange) async throws(KacheryError) -> any GatewayFile {
    let (content, client) = (content, exchange.address)
    return try await within(patience.search) { () throws(KacheryError) in
      try await content.open(key, for: client)
    }
  }

  private func finishHead(_ exchange: HTTPExchange, status: Int, length: UInt64, _ headers: Headers) {
    metrics.answered(status)
    exchange.beginStream(status: status, length: length, headers: headers)
    exchange.finish()
  }

  /// Sends the bytes, one block at a time: the next one is read when the client has taken the last.
  private func send(
    _ bytes: any GatewayBytes, status: Int, _ headers: Headers, _ exchange: HTTPExchange
  ) async throws(KacheryError) {
    guard ByteString(exchange.head.method) == "GET", bytes.count > 0 else {
      return finishHead(exchange, status: status, length: bytes.count, headers)
    }
    // Before the head is sent, so that the status can still say what is wrong.
    var block = try await self.block(of: bytes, at: 0)
    metrics.answered(status)
    exchange.beginStream(status: status, length: bytes.count, headers: headers)
    metrics.running.add()
    defer { metrics.running.add(-1) }
    var offset: UInt64 = 0
    do throws(KacheryError) {
      while true {
        try await exchange.write(block)
        try await drain(exchange)
        offset += UInt64(block.count)
        metrics.bytesSent.add(block.count)
        guard offset < bytes.count else { return exchange.finish() }
        block = try await self.block(of: bytes, at: offset)
      }
    } catch {
      if !exchange.isCancelled { metrics.cutShort() }
      // The head was already sent: only a closed connection shows the client that bytes are missing.
      exchange.abort()
    }
  }

  private func block(of bytes: any GatewayBytes, at offset: UInt64) async throws(KacheryError) -> [UInt8] {
    let block = try await within(patience.chunk) { () throws(KacheryError) in try await bytes.block(at: offset) }
    guard !block.isEmpty else { throw KacheryError(.fileChanged, "The file ends at byte \(offset).") }
    return block
  }

  /// Waits until the client has taken what was written, and gives it up if that takes too long.
  private func drain(_ exchange: HTTPExchange) async throws(KacheryError) {
    let timer = loop.after(patience.client) { exchange.cutOff() }
    defer { timer.cancel() }
    try await exchange.drain()
  }

  /// Does something that may take this long.
  ///
  /// - Throws: `timedOut` if it takes longer; it is then cancelled.
  private func within<Value: Sendable>(
    _ patience: Duration, _ work: @escaping @Sendable () async throws(KacheryError) -> Value
  ) async throws(KacheryError) -> Value {
    let task = Task { () async -> Result<Value, KacheryError> in
      do throws(KacheryError) { return .success(try await work()) } catch { return .failure(error) }
    }
    var isLate = false
    let timer = loop.after(patience) {
      isLate = true
      task.cancel()
    }
    defer { timer.cancel() }
    let result = await withTaskCancellationHandler {
      await task.value
    } onCancel: {
      task.cancel()
    }
    if isLate, case .failure = result { throw KacheryError(.timedOut, "Other nodes have not answered in time.") }
    return try result.get()
  }

  // MARK: Folders

  private func sendEntry(
    _ uri: FolderURI, _ hasFinalSlash: Bool, _ exchange: HTTPExchange
  ) async throws(KacheryError) {
    let entry = try await folder(uri, exchange).entry(of: uri)
    switch entry {
    case .file(let file):
      guard !hasFinalSlash else { throw KacheryError(.notFound, "This is a file.") }
      try await sendFile(FileKey(hash: file.hash), named: file.name.text, exchange)
    case .folder(let folder):
      try await sendIndex(FolderIndex(folder: folder, uri: uri), hasFinalSlash, exchange)
    }
  }

  /// The folder at the root of a URI.
  private func folder(_ uri: FolderURI, _ exchange: HTTPExchange) async throws(KacheryError) -> FolderDocument {
    // Also if it is known: the channels that may share it can have changed.
    let file = try await open(uri.document, exchange)
    // Its name is its content.
    if let known = folders.folder(uri.hash) { return known }
    guard file.size <= FolderCache.largestDocument else {
      throw KacheryError(.tooLarge, "The folder's document has more than \(FolderCache.largestDocument) bytes.")
    }
    let read = folders.read(uri.hash) { Task { await self.read(file, uri.hash) } }
    guard let read else { throw KacheryError(.sourceBusy, "Too many folders are being read.") }
    return try await read.value.get()
  }

  private func read(_ file: any GatewayFile, _ hash: ContentHash) async -> Result<FolderDocument, KacheryError> {
    var folder: FolderDocument?
    defer { folders.ended(hash, folder, size: file.size) }
    do throws(KacheryError) {
      let source = try file.bytes(ByteRange(whole: file.size))
      var document: [UInt8] = []
      while UInt64(document.count) < file.size { document += try await block(of: source, at: UInt64(document.count)) }
      let parsed = try await loop.onPool { [document] () throws(KacheryError) in try FolderDocument(parsing: document) }
      folder = parsed
      return .success(parsed)
    } catch {
      return .failure(error)
    }
  }

  private func sendIndex(
    _ index: FolderIndex, _ hasFinalSlash: Bool, _ exchange: HTTPExchange
  ) async throws(KacheryError) {
    let origin = access.headers(for: exchange.head.headers["origin"])
    let form = FolderIndex.Form(accept: exchange.head.headers["accept"])
    let varies = [(name: "Vary", value: "Accept")]
    // The links of the page are relative, so that they also lead right behind a web server that adds to the path.
    guard hasFinalSlash || form == .json else {
      // A name with a colon would be taken for a scheme.
      let place = "./\(exchange.head.path.parts(separatedBy: "/").last ?? "")/"
      return respond(
        exchange,
        HTTPResponse(
          status: 301, contentType: "text/plain; charset=utf-8", body: Array("\(place)\n".utf8),
          headers: varies + [("Location", place)] + origin))
    }
    guard index.nameCount <= FolderIndex.mostNames else { throw KacheryError(.tooLarge, "The folder has many names.") }
    let bytes = index.bytes(form)
    guard indexBytes + bytes.count <= Self.mostIndexBytes else {
      throw KacheryError(.sourceBusy, "Too many indexes are being sent.")
    }
    indexBytes += bytes.count
    defer { indexBytes -= bytes.count }
    let policy =
      "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    let headers: Headers =
      varies + origin + [
        ("Content-Type", form.type), ("Content-Security-Policy", policy), ("X-Content-Type-Options", "nosniff"),
        // Another version of this software may show it in another way.
        ("Cache-Control", "public, max-age=3600"),
      ]
    try await send(BytesInMemory(bytes), status: 200, headers, exchange)
  }
}

/// An answer that was made in memory.
private struct BytesInMemory: GatewayBytes {
  private let bytes: [UInt8]

  init(_ bytes: [UInt8]) { self.bytes = bytes }

  var count: UInt64 { UInt64(bytes.count) }

  func block(at offset: UInt64) async throws(KacheryError) -> [UInt8] {
    Array(bytes.dropFirst(Int(offset)).prefix(Limits.blockSize))
  }
}
