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

  /// A file that has been loaded; `client` gives its bytes where its path leads nowhere from here.
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

  /// Brings the file here, with progress where a person watches.
  static func load(_ uri: KacheryURI, _ arguments: Arguments) throws(KacheryError) -> LoadedFile {
    let (storage, refusal) = try Storage.forReading()
    switch storage {
    case .offline(let store):
      guard let file = try store.find(uri.key.hash) else {
        throw refusal ?? missing(uri.key.hash, in: store)
      }
      return LoadedFile(path: file.path, uri: uri, client: nil)
    case .online(let client):
      guard client.isRemote else {
        return LoadedFile(path: try load(uri, arguments, from: client), uri: uri, client: client)
      }
      return LoadedFile(path: try bring(uri, arguments, from: client), uri: uri, client: nil)
    }
  }

  /// From a daemon on another machine to this one, where it has not come before.
  private static func bring(
    _ uri: KacheryURI, _ arguments: Arguments, from client: DaemonClient
  ) throws(KacheryError) -> String {
    let cache = try RemoteCache()
    if let present = try cache.find(uri.key.hash) { return present }
    _ = try load(uri, arguments, from: client)
    var bar = ProgressBar(name: name(of: uri), isQuiet: arguments.has("--quiet"))
    defer { bar.end() }
    return try cache.path(of: RemoteFile(key: uri.key, client: client, arguments: arguments), showing: &bar)
  }

  private static func name(of uri: KacheryURI) -> String {
    uri.label.isEmpty ? String(uri.key.hash.hex.prefix(10)) : uri.label.text
  }

  /// The error for a file that is not in the directory where no daemon runs.
  static func missing(_ hash: ContentHash, in store: ContentStore) -> KacheryError {
    guard !FileSystem.exists("\(store.path(of: hash)).link") else {
      return KacheryError(
        .notFound,
        "The file \(hash) is here only as a link, and the file that it leads to was changed or removed; "
          + "'kachery ls' names it. Link or store it again.")
    }
    return KacheryError(
      .notFound,
      "The file \(hash) is not in the storage directory \(store.directory), and without a daemon nobody else can be asked."
    )
  }

  private static func load(
    _ uri: KacheryURI, _ arguments: Arguments, from client: DaemonClient
  ) throws(KacheryError) -> String {
    let request = LoadRequest(
      key: uri.key, node: try arguments.node(askedBy: client), channel: arguments.askedChannel, reportWaiting: true)
    var bar = ProgressBar(name: name(of: uri), isQuiet: arguments.has("--quiet"))
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
      throw KacheryError(.disconnected, "The daemon went away while the file was loading; the same command goes on.")
    }
    return try outcome.get()
  }

  /// Writes a copy: all of it or nothing. A linked file that is to be copied to where it is stays as it is: a copy in its place
  /// would have another time, and end the link.
  func copy(to destination: Destination, named name: String) throws(KacheryError) {
    guard !destination.holds(path, isStored: isStored) else { return }
    try destination.write { (copy) throws(KacheryError) in
      guard let source = try? FileStream(path, .read), copy.share(blocksOf: source) else {
        return try write(to: copy, named: name, start: 0, end: nil)
      }
      if hashToCheck != nil { try write(to: nil, named: name, start: 0, end: nil) }
    }
  }

  /// Whether the path is that of a file in a storage directory, and not where a link leads.
  private var isStored: Bool { uri.map { path.ends(with: "/\($0.key.hash)") } ?? false }

  /// What the bytes must hash to. A daemon has seen to that; without one nobody has, if the file is large.
  private var hashToCheck: ContentHash? { client == nil ? uri?.key.hash : nil }

  /// Everything in the file, which must not have more than `limit` bytes.
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
      : KacheryError(.fileChanged, "\(path) was altered since it was linked: do not use its bytes. Link it again.")
  }

  /// - Parameter output: nil to only hash the bytes.
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
      throw KacheryError(.badRequest, "Byte \(start) lies behind the end of the file, which has \(size) bytes.")
    }
    guard start <= last, last <= size else {
      throw KacheryError(.badRequest, "Bytes \(start) to \(last) do not lie in the file, which has \(size).")
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
      guard count > 0 else { throw KacheryError(.fileChanged, "'\(path)' became shorter while it was read.") }
      let bytes = UnsafeRawBufferPointer(rebasing: part.prefix(count))
      do throws(KacheryError) { try output?.write(bytes) } catch { throw Destination.problem("write", name, error) }
      digest?.update(bytes)
      offset += UInt64(count)
    }
    if let hash = digest?.finish(), hash != hashToCheck { throw altered }
  }

  /// The daemon's directory is not readable from here: the bytes come over its API, and a whole file is hashed once more.
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
      throw KacheryError(.hashMismatch, "What the daemon sent as \(uri.key.hash) has the hash \(hash); do not use it.")
    }
  }
}
