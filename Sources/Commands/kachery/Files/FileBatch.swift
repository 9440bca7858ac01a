import APIModel
import Primitives

/// Many files to load with one request.
struct FileBatch {
  /// Files of one request: with their names they fit into what the daemon accepts.
  private static let atOnce = 25_000

  private let keys: [FileKey]
  /// The names of the files for people, in the order of the keys.
  private let names: [String?]
  private let arguments: Arguments

  init(_ keys: [FileKey], named names: [String?], _ arguments: Arguments) {
    self.keys = keys
    self.names = names
    self.arguments = arguments
  }

  /// A number of files and their total bytes, which are only claimed before the files are here.
  struct Amount {
    var files: Int
    /// nil if unknown.
    var bytes: UInt64?

    init(files: Int, bytes: UInt64?) {
      self.files = files
      self.bytes = bytes
    }

    init(_ files: [FolderDocument.File]) {
      self.files = files.count
      bytes = files.reduce(0) { sum, file in
        let (more, overflow) = sum.addingReportingOverflow(file.size)
        return overflow ? .max : more
      }
    }
  }

  /// The path of each file, or why it could not be loaded, in the order of the keys.
  func load() throws(KacheryError) -> [Result<String, KacheryError>] {
    var bar = ProgressBar(name: "\(keys.count) files", isQuiet: arguments.has("--quiet"))
    defer { bar.end() }
    return try load(
      showing: &bar, after: Amount(files: 0, bytes: 0), of: Amount(files: keys.count, bytes: nil))
  }

  /// Loads the files. They are part of a larger load: `total` is all of it, and `before` is here already.
  func load(
    showing bar: inout ProgressBar, after before: Amount, of total: Amount
  ) throws(KacheryError) -> [Result<String, KacheryError>] {
    bar.update(before, of: total)
    guard !keys.isEmpty else { return [] }
    let (storage, refusal) = try Storage.forReading()
    switch storage {
    case .offline(let store):
      return keys.map { key in
        Result { () throws(KacheryError) in
          guard let file = try store.find(key.hash) else {
            throw refusal ?? LoadedFile.missing(key.hash, in: store)
          }
          return file.path
        }
      }
    case .online(let client):
      var outcomes: [Result<String, KacheryError>] = []
      var done = before
      for start in stride(from: 0, to: keys.count, by: Self.atOnce) {
        let end = min(start + Self.atOnce, keys.count)
        let keys = Array(keys[start..<end])
        let loaded = try load(keys, Array(names[start..<end]), from: client, showing: &bar, &done, of: total)
        outcomes += client.isRemote ? try bring(keys, loaded, from: client) : loaded
      }
      return outcomes
    }
  }

  /// Copies the files to this machine: paths from a daemon on another machine mean nothing here.
  private func bring(
    _ keys: [FileKey], _ loaded: [Result<String, KacheryError>], from client: DaemonClient
  ) throws(KacheryError) -> [Result<String, KacheryError>] {
    let cache = try RemoteCache()
    // Progress of the whole batch has been shown already.
    var bar = ProgressBar(name: "", isQuiet: true)
    return zip(keys, loaded).map { key, outcome in
      Result { () throws(KacheryError) in
        _ = try outcome.get()
        return try cache.path(of: RemoteFile(key: key, client: client, arguments: arguments), showing: &bar)
      }
    }
  }

  private func load(
    _ keys: [FileKey], _ names: [String?], from client: DaemonClient, showing bar: inout ProgressBar,
    _ done: inout Amount, of total: Amount
  ) throws(KacheryError) -> [Result<String, KacheryError>] {
    let before = done
    let request = BatchLoadRequest(
      keys: keys, names: names, node: try arguments.node(askedBy: client), channel: try arguments.askedChannel())
    var outcomes: [Result<String, KacheryError>?] = Array(repeating: nil, count: keys.count)
    var refusal: KacheryError?
    var isFinished = false
    try client.messages("/v1/load", request.json, timeout: try arguments.seconds("--timeout")) { message in
      do throws(KacheryError) {
        switch try BatchLoadEvent(json: message) {
        case .progress(let progress):
          let (sum, overflow) = (before.bytes ?? 0).addingReportingOverflow(progress.bytesLoaded)
          done = Amount(files: before.files + progress.filesEnded, bytes: overflow ? .max : sum)
          bar.update(done, of: total)
        case .waiting(let busy): bar.update(busy)
        case .loaded(let index, let path): if outcomes.indices.contains(index) { outcomes[index] = .success(path) }
        case .failed(let index, let error): if outcomes.indices.contains(index) { outcomes[index] = .failure(error) }
        case .finished: isFinished = true
        }
      } catch {
        refusal = error
      }
      return refusal == nil && !isFinished
    }
    if let refusal { throw refusal }
    guard isFinished else {
      throw KacheryError(
        .disconnected, "The daemon went away while files were loading; run the same command to continue.")
    }
    return outcomes.map { $0 ?? .failure(KacheryError(.protocolViolation, "The daemon did not report on a file.")) }
  }
}
