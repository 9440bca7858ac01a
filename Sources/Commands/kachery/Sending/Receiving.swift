import APIModel
import Files
import Invitations
import Primitives
import Process

/// The receiver's side of a transfer: finds the offer, loads what it names, and puts it in place.
struct Receiving {
  /// How long the sender may take to appear.
  private static let patience: Duration = .seconds(60)
  /// How long one look for it takes; between two, the time is shown.
  private static let look: Duration = .seconds(2)
  /// Most names that are shown.
  private static let shownNames = 10

  private let meetingPoints: [Address]
  private let secret: TransferSecret
  private let destination: ReceivedFolder
  private let arguments: Arguments
  private let isQuiet: Bool
  private let patience: Duration
  /// Whether what has arrived is to be kept if the transfer does not end well.
  private var isWorthKeeping = false

  init(
    _ code: TransferCode, meetingAt meetingPoints: [Address], in folder: String, _ arguments: Arguments
  ) throws(KacheryError) {
    self.meetingPoints = meetingPoints
    self.arguments = arguments
    isQuiet = arguments.has("--quiet")
    patience = try arguments.seconds("--timeout") ?? Self.patience
    secret = try TransferSecret(code)
    destination = try ReceivedFolder(folder, replacesFiles: arguments.has("--overwrite"))
  }

  mutating func run() throws(KacheryError) -> ExitCode {
    let folder = try destination.privateFolder(secret.tag)
    isWorthKeeping = hasData(folder)
    defer { if !isWorthKeeping { try? FileSystem.removeTree(folder) } }
    let node = try ShortLivedNode(in: folder, isTemporary: false)
    defer { node.end() }
    try node.join(secret, meetingAt: meetingPoints)
    let offer = try findOffer(node)
    let answers = AnswerSender(FeedClient(daemon: node.client), secret.answers, node.client.probe.node)
    answers.begin()
    switch offer.content {
    case .text(let hash, _): try printText(hash, node)
    case .folder(let hash, _, let bytes): try receive(hash, bytes, offer.label, node, answers)
    }
    isWorthKeeping = false
    if !answers.finish(), !isQuiet {
      Console.note("The sender could not be told that everything is here; it may go on waiting.")
    }
    return .done
  }

  private func hasData(_ folder: String) -> Bool {
    // Finished files, and what has been verified of others.
    ["sha1", "kachery-node/partial"].contains { name in
      !((try? FileSystem.names(in: "\(folder)/\(name)")) ?? []).isEmpty
    }
  }

  // MARK: The offer

  private func findOffer(_ node: ShortLivedNode) throws(KacheryError) -> TransferOffer {
    var status = StatusLine(isQuiet: isQuiet)
    defer { status.clear() }
    let feeds = FeedClient(daemon: node.client)
    let start = SteadyClock.seconds
    let seconds = Double(patience.components.seconds)
    while true {
      status.show("Looking for the sender …")
      let messages = try feeds.messages(
        of: secret.offers, from: 0, most: 1, wait: min(Self.look, patience), isSigned: false, isLocal: false)
      if let message = messages.first { return try TransferOffer(json: message) }
      guard SteadyClock.seconds - start < seconds else { throw notFound(try node.meeting()) }
    }
  }

  private func notFound(_ state: MeetingState) -> KacheryError {
    let time = "\(patience.components.seconds) s"
    guard !meetingPoints.isEmpty else {
      return KacheryError(
        .notFound,
        "No sender with this code was found in the local network within \(time). Check the code, and that 'kachery send' "
          + "still runs there. In another network, the code needs the part after the @, or --bootstrap.")
    }
    guard state.bootstraps.contains(where: { $0.linkedBy != nil }) else {
      let places = meetingPoints.map(\.description).joined(separator: ", ")
      return KacheryError(
        .unreachable,
        "The bootstrap node \(places), where the sender waits, could not be reached within \(time). Check the part of the "
          + "code after the @.")
    }
    return KacheryError(
      .notFound,
      "No sender with this code was found within \(time). Check the code, and that 'kachery send' still runs there.")
  }

  // MARK: The content

  private func printText(_ hash: ContentHash, _ node: ShortLivedNode) throws(KacheryError) {
    let bytes = try contents(of: hash, limit: TransferOffer.maximumText, node)
    guard arguments.has("--json") else {
      return Console.results([String(decoding: bytes, as: UTF8.self)])
    }
    Console.result((["text": .string(String(decoding: bytes, as: UTF8.self))] as JSONValue).compact)
  }

  private func contents(
    of hash: ContentHash, limit: UInt64, _ node: ShortLivedNode
  ) throws(KacheryError) -> [UInt8] {
    var path: Result<String, KacheryError>?
    try node.client.messages("/loadFile", LoadRequest(key: FileKey(hash: hash)).json) { message in
      do throws(KacheryError) {
        if case .finished(let place) = try LoadEvent(json: message) { path = .success(place) }
      } catch {
        path = .failure(error)
      }
      return path == nil
    }
    guard let path else { throw Self.nodeEnded }
    return try FileSystem.read(try path.get(), limit: Int(limit))
  }

  private mutating func receive(
    _ hash: ContentHash, _ bytes: UInt64, _ sender: String, _ node: ShortLivedNode, _ answers: AnswerSender
  ) throws(KacheryError) {
    let document = try FolderDocument(
      parsing: try contents(of: hash, limit: FolderDocument.maximumSize, node))
    show(document, bytes, sender)
    let plan = try destination.plan(for: document)
    answers.report(loaded: plan.bytesPresent)
    isWorthKeeping = true
    let paths = try load(plan, node, answers)
    try destination.place(plan, paths)
    if !isQuiet {
      let present = plan.present.isEmpty ? "" : " \(plan.present.count) of them were here already."
      let files = document.allFiles.count
      Console.note(
        "Received \(files) file\(files == 1 ? "" : "s"), \(Quantity.bytes(Double(document.totalBytes))). The SHA-1 of each "
          + "is right.\(present)")
    }
    if arguments.has("--json") {
      let files = document.allFiles.map { JSONValue.string(destination.path(of: $0.path)) }
      Console.result((["files": .array(files)] as JSONValue).compact)
    } else {
      Console.results((document.files.map(\.name) + document.folders.map(\.name)).map { destination.path(of: $0) })
    }
  }

  private func show(_ document: FolderDocument, _ bytes: UInt64, _ sender: String) {
    guard !isQuiet else { return }
    let files = document.allFiles
    Console.note(
      "\(sender) sends \(files.count) file\(files.count == 1 ? "" : "s"), "
        + "\(Quantity.bytes(Double(document.totalBytes))):")
    for entry in files.prefix(Self.shownNames) {
      Console.note("  \(entry.path.text.printable)  \(Quantity.bytes(Double(entry.file.size)))")
    }
    if files.count > Self.shownNames { Console.note("  and \(files.count - Self.shownNames) more") }
  }

  /// Loads the files; returns the path of each in the node's folder.
  private func load(
    _ plan: ReceivedFolder.Plan, _ node: ShortLivedNode, _ answers: AnswerSender
  ) throws(KacheryError) -> [ContentHash: String] {
    let hashes = plan.hashesToLoad
    var paths: [ContentHash: String] = [:]
    var failure: KacheryError?
    var isFinished = hashes.isEmpty
    var bar = ProgressBar(
      name: plan.missing.count == 1 ? plan.missing[0].path.text : "\(plan.missing.count) files", isQuiet: isQuiet)
    defer { bar.end() }
    for start in stride(from: 0, to: hashes.count, by: BatchLoadRequest.maximumFiles) {
      let group = Array(hashes[start..<min(start + BatchLoadRequest.maximumFiles, hashes.count)])
      let request = BatchLoadRequest(keys: group.map { FileKey(hash: $0) })
      let before = plan.bytes(of: paths.keys)
      isFinished = false
      try node.client.messages("/v1/load", request.json) { message in
        do throws(KacheryError) {
          switch try BatchLoadEvent(json: message) {
          case .progress(let progress):
            let loaded = min(before + progress.bytesLoaded, plan.bytesToLoad)
            bar.update(loaded, of: plan.bytesToLoad, from: nil)
            answers.report(loaded: plan.bytesPresent + loaded)
          case .waiting(let busy): bar.update(busy)
          case .loaded(let index, let path): if group.indices.contains(index) { paths[group[index]] = path }
          case .failed(_, let error): failure = failure ?? error
          case .finished: isFinished = true
          }
        } catch {
          failure = error
          return false
        }
        return !isFinished
      }
    }
    if let failure { throw failure }
    guard isFinished else { throw Self.nodeEnded }
    return paths
  }

  private static let nodeEnded = KacheryError(
    .disconnected, "The node for this transfer has ended; run the same command to continue.")
}

extension FolderDocument {
  /// Bytes of all files together.
  fileprivate var totalBytes: UInt64 { allFiles.reduce(0) { $0 &+ $1.file.size } }
}
