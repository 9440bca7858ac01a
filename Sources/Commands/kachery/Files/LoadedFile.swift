import APIModel
import ContentStore
import Crypto
import Files
import Primitives

/// A file that is in the storage now.
struct LoadedFile {
  let path: String
  private let uri: KacheryURI?
  private let client: DaemonClient?

  /// A loaded file; `client` provides its bytes if its path is not readable from here.
  init(path: String, uri: KacheryURI?, client: DaemonClient?) {
    self.path = path
    self.uri = uri
    self.client = client
  }

  static func load(_ operand: FileOperand, _ arguments: Arguments) throws(KacheryError) -> LoadedFile {
    switch operand {
    case .local(let path): LoadedFile(path: path, uri: nil, client: nil)
    case .stored(let uri): try load(uri, arguments)
    }
  }

  /// Loads the file; shows progress on a terminal.
  ///
  /// - Parameter isStep: whether it is a step of a load that shows its own progress.
  static func load(
    _ uri: KacheryURI, _ arguments: Arguments, isStep: Bool = false
  ) throws(KacheryError) -> LoadedFile {
    let (storage, refusal) = try Storage.forReading()
    switch storage {
    case .offline(let store):
      guard let file = try store.find(uri.key.hash) else {
        throw refusal ?? missing(uri.key.hash, in: store)
      }
      return LoadedFile(path: file.path, uri: uri, client: nil)
    case .online(let client):
      guard client.isRemote else {
        return LoadedFile(path: try load(uri, arguments, from: client, isStep: isStep), uri: uri, client: client)
      }
      return LoadedFile(path: try bring(uri, arguments, from: client, isStep: isStep), uri: uri, client: nil)
    }
  }

  /// Copies the file from a daemon on another machine to this one, unless it is cached.
  private static func bring(
    _ uri: KacheryURI, _ arguments: Arguments, from client: DaemonClient, isStep: Bool
  ) throws(KacheryError) -> String {
    let cache = try RemoteCache()
    if let present = try cache.find(uri.key.hash) { return present }
    _ = try load(uri, arguments, from: client, isStep: isStep)
    var bar = ProgressBar(name: name(of: uri), isQuiet: arguments.has("--quiet"), isStep: isStep)
    defer { bar.end() }
    return try cache.path(of: RemoteFile(key: uri.key, client: client, arguments: arguments), showing: &bar)
  }

  private static func name(of uri: KacheryURI) -> String {
    uri.label.isEmpty ? String(uri.key.hash.hex.prefix(10)) : PercentEncoding.decode(uri.label.text)
  }

  /// The error for a file that is not in the directory if no daemon runs.
  static func missing(_ hash: ContentHash, in store: ContentStore) -> KacheryError {
    guard !FileSystem.exists("\(store.path(of: hash)).link") else {
      return KacheryError(
        .notFound,
        "The file \(hash) is here only as a link, and its target was changed or removed; "
          + "'kachery ls' shows the target. Link or store it again.")
    }
    return KacheryError(
      .notFound,
      "The file \(hash) is not in the storage directory \(store.directory), "
        + "and no daemon is running to ask other nodes."
    )
  }

  private static func load(
    _ uri: KacheryURI, _ arguments: Arguments, from client: DaemonClient, isStep: Bool
  ) throws(KacheryError) -> String {
    let request = LoadRequest(
      key: uri.key, node: try arguments.node(askedBy: client), channel: try arguments.askedChannel(),
      reportWaiting: true, name: uri.shownLabel)
    var bar = ProgressBar(name: name(of: uri), isQuiet: arguments.has("--quiet"), isStep: isStep)
    var outcome: Result<String, KacheryError>?
    let timeout = try arguments.seconds("--timeout")
    defer { bar.end() }
    try client.messages("/loadFile", request.json, timeout: timeout) { message in
      do throws(KacheryError) {
        switch try LoadEvent(json: message) {
        case .progress(let loaded, let total, let node): bar.update(loaded, of: total, from: node?.hex)
        case .waiting(let busy): bar.update(busy)
        case .finished(let path): outcome = .success(path)
        }
      } catch {
        outcome = .failure(error)
      }
      return outcome == nil
    }
    guard let outcome else {
      throw KacheryError(
        .disconnected, "The daemon went away while the file was loading; run the same command to continue.")
    }
    return try outcome.get()
  }

  /// Writes a copy: all of it or nothing. Copying a linked file onto itself does nothing: replacing it would change its
  /// modification time and break the link.
  func copy(to destination: Destination, named name: String) throws(KacheryError) {
    guard !destination.holds(path, isStored: isStored) else { return }
    try destination.write { (copy) throws(KacheryError) in
      guard let source = try? FileStream(path, .read), copy.share(blocksOf: source) else {
        return try write(to: copy, named: name, start: 0, end: nil)
      }
      if hashToCheck != nil { try write(to: nil, named: name, start: 0, end: nil) }
    }
  }

  /// Whether the path is that of a file in a storage directory, not the target of a link.
  private var isStored: Bool { uri.map { path.ends(with: "/\($0.key.hash)") } ?? false }

  /// The hash to check; nil if a daemon checked it. Without a daemon, a large file has not been checked yet.
  private var hashToCheck: ContentHash? { client == nil ? uri?.key.hash : nil }

  /// The contents of the file, which must not exceed `limit` bytes.
  func bytes(limit: UInt64) throws(KacheryError) -> [UInt8] {
    if let bytes = try? FileSystem.read(path, limit: Int(clamping: limit)) {
      try requireHash(of: bytes)
      return bytes
    }
    guard let client, let uri else { return try FileSystem.read(path, limit: Int(clamping: limit)) }
    var bytes: [UInt8] = []
    try client.download(["fileKey": uri.key.json]) { block in
      bytes += block
      return UInt64(bytes.count) <= limit
    }
    return bytes
  }

  /// Writes a part of the file to standard output.
  func writeToOutput(start: UInt64, end: UInt64?) throws(KacheryError) {
    try write(to: .standardOutput, named: "standard output", start: start, end: end)
  }

  private func requireHash(of bytes: [UInt8]) throws(KacheryError) {
    guard let hashToCheck, ContentHash.of(bytes) != hashToCheck else { return }
    throw altered
  }

  private var altered: KacheryError {
    isStored
      ? KacheryError(
        .hashMismatch,
        "The stored file \(path) was altered: do not use its bytes. 'kachery verify' sets it aside; store it again.")
      : KacheryError(.fileChanged, "\(path) was altered after it was linked: do not use its bytes. Link it again.")
  }

  /// - Parameter output: nil to hash the bytes only.
  private func write(to output: FileStream?, named name: String, start: UInt64, end: UInt64?) throws(KacheryError) {
    let (input, size): (File, UInt64)
    do throws(KacheryError) {
      input = try File(path, .read)
      size = try input.status().size
    } catch {
      guard let output else { throw Destination.problem("read", path, error) }
      return try download(to: output, named: name, start: start, end: end, instead: error)
    }
    defer { input.close() }
    let last = end ?? size
    guard start <= size else {
      throw KacheryError(.badRequest, "Byte \(start) is beyond the end of the file, which has \(size) bytes.")
    }
    guard start <= last, last <= size else {
      throw KacheryError(.badRequest, "Bytes \(start) to \(last) are outside the file, which has \(size) bytes.")
    }
    var digest = start == 0 && last == size && hashToCheck != nil ? SHA1Digest() : nil
    var offset = start
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: Limits.blockSize, alignment: 4_096)
    defer { buffer.deallocate() }
    while offset < last {
      let part = UnsafeMutableRawBufferPointer(rebasing: buffer.prefix(Int(min(UInt64(buffer.count), last - offset))))
      let count: Int
      do throws(KacheryError) { count = try input.read(at: offset, into: part) } catch {
        throw Destination.problem("read", path, error)
      }
      guard count > 0 else { throw KacheryError(.fileChanged, "'\(path)' became shorter while it was being read.") }
      let bytes = UnsafeRawBufferPointer(rebasing: part.prefix(count))
      do throws(KacheryError) { try output?.write(bytes) } catch { throw Destination.problem("write", name, error) }
      digest?.update(bytes)
      offset += UInt64(count)
    }
    if let hash = digest?.finish(), hash != hashToCheck { throw altered }
  }

  /// Writes the bytes from the daemon's API, if its directory is not readable from here. Hashes a whole file again.
  private func download(
    to output: FileStream, named name: String, start: UInt64, end: UInt64?, instead problem: KacheryError
  ) throws(KacheryError) {
    guard let client, let uri else { throw Destination.problem("read", path, problem) }
    var body: JSONObject = ["fileKey": uri.key.json, "startByte": .integer(Int64(clamping: start))]
    if let end { body["endByte"] = .integer(Int64(clamping: end)) }
    var digest = SHA1Digest()
    var failure: KacheryError?
    do throws(KacheryError) {
      try client.download(.object(body)) { block in
        digest.update(block)
        do throws(KacheryError) { try output.write(block) } catch { failure = error }
        return failure == nil
      }
    } catch {
      throw failure.map { Destination.problem("write", name, $0) } ?? error
    }
    guard start == 0, end == nil else { return }
    let hash = digest.finish()
    guard hash == uri.key.hash else {
      throw KacheryError(
        .hashMismatch, "The daemon sent bytes for \(uri.key.hash) that have the hash \(hash); do not use them.")
    }
  }
}
