import APIModel
import Crypto
import Invitations
import Primitives
import Process

/// The sender's side of a transfer: offers files in the transfer's feed, lets receivers answer there, and shows how far they
/// are.
struct Sending {
  /// How often receivers are looked for, while there is nothing to read.
  private static let period: Duration = .milliseconds(500)
  /// How long the last receiver has to read the answer to its last message.
  private static let farewell: Duration = .milliseconds(700)
  /// Files that are linked before the progress is shown.
  private static let groupSize = 64

  private let node: ShortLivedNode
  private let feeds: FeedClient
  private let code: TransferCode
  private let secret: TransferSecret
  private let isQuiet: Bool
  /// How many receivers have to have everything; nil to send until interrupted.
  private let receivers: UInt64?
  private let label = CurrentProcess.hostName
  private var bytes: UInt64 = 0
  private var title = ""
  private var nextAnswer: UInt64 = 0
  private var answers: [NodeID: TransferAnswer] = [:]
  private var admitted: Set<NodeID> = []

  init(_ node: ShortLivedNode, _ code: TransferCode, isQuiet: Bool, receivers: UInt64?) throws(KacheryError) {
    self.node = node
    self.code = code
    self.isQuiet = isQuiet
    self.receivers = receivers
    feeds = FeedClient(daemon: node.client)
    secret = try TransferSecret(code)
  }

  // MARK: The offer

  /// Stores a text in the node's folder.
  mutating func store(_ text: [UInt8]) throws(KacheryError) -> TransferOffer {
    bytes = UInt64(text.count)
    title = "text"
    return TransferOffer(.text(try node.client.upload(text).hash, bytes: bytes), label: label)
  }

  /// Shares the files in place.
  mutating func store(_ files: FilesToSend) throws(KacheryError) -> TransferOffer {
    let all = files.root.allFiles
    var bar = ProgressBar(name: "Reading", isQuiet: isQuiet)
    var hashes: [ByteString: ContentHash] = [:]
    var done: UInt64 = 0
    for start in stride(from: 0, to: all.count, by: Self.groupSize) {
      let group = Array(all[start..<min(start + Self.groupSize, all.count)])
      let outcomes = ParallelWork.map(group, width: 4) { [client = node.client] file in
        Result { () throws(KacheryError) in try Self.link(file, client) }
      }
      for (file, outcome) in zip(group, outcomes) {
        hashes[ByteString(file.path)] = try outcome.get()
        done += file.status.size
      }
      bar.update(done, of: files.bytes, from: nil)
    }
    bar.end()
    if files.root.linksLeftOut > 0, !isQuiet {
      Console.note("Left out \(files.root.linksLeftOut) symbolic links.")
    }
    bytes = files.bytes
    title = all.count == 1 ? all[0].name.text : "\(all.count) files"
    let document = try Self.document(files.root, hashes).json.compactBytes
    let hash = try node.client.upload(document).hash
    return TransferOffer(.folder(hash, files: UInt64(all.count), bytes: bytes), label: label)
  }

  private static func link(_ file: FilesToSend.File, _ client: DaemonClient) throws(KacheryError) -> ContentHash {
    let request: JSONValue = [
      "localFilePath": .string(file.path), "size": .integer(Int64(clamping: file.status.size)),
      "mtime": .double(file.status.modified),
    ]
    return try StoreReply(json: try client.post("/linkFile", request)).hash
  }

  private static func document(
    _ folder: FilesToSend.Folder, _ hashes: [ByteString: ContentHash]
  ) throws(KacheryError) -> FolderDocument {
    var folders: [FolderDocument.Folder] = []
    for inner in folder.folders {
      folders.append(FolderDocument.Folder(name: inner.name, content: try document(inner, hashes)))
    }
    return try FolderDocument(
      files: folder.files.compactMap { file in
        hashes[ByteString(file.path)].map { FolderDocument.File(name: file.name, size: file.status.size, hash: $0) }
      }, folders: folders)
  }

  // MARK: The transfer

  /// Makes the offer, and joins the channel in which it is found.
  func begin(_ offer: TransferOffer) throws(KacheryError) {
    let key: JSONValue = ["type": "feedConfig", "feedId": .string(secret.feed.hex)]
    let value: JSONValue = [
      "feedId": .string(secret.feed.hex), "privateKey": .string(Hex.encode(secret.key.seed)),
    ]
    _ = try node.client.post("/mutable/set", ["key": key, "value": value])
    try feeds.append([offer.json], to: secret.offers)
    try feeds.setRules(AccessRules(), of: secret.answers)
    try node.join(secret, meetingAt: code.meetingPoints)
  }

  /// What the person who sends has to know.
  func explain(repeating arguments: Arguments) {
    guard !isQuiet else { return }
    Console.note("On the other machine, type: kachery receive \(code.description)")
    if code.meetingPoints.isEmpty {
      Console.note(
        "The two meet in one local network. For any other, name a bootstrap node with --bootstrap HOST:PORT.")
    }
    let names = arguments.operands.isEmpty ? "--text …" : arguments.operands.joined(separator: " ")
    Interruption.expect(advice: "To continue, type: kachery send --code \(code.description) \(names)")
  }

  /// Sends until enough receivers have everything.
  mutating func run() throws(KacheryError) {
    var status = StatusLine(isQuiet: isQuiet)
    var bar = ProgressBar(name: title, isQuiet: isQuiet)
    var announced: Set<NodeID> = []
    while true {
      try admitReceivers()
      let messages = try feeds.messages(
        of: secret.answers, from: nextAnswer, most: 1_000, wait: Self.period, isSigned: false, isLocal: true)
      nextAnswer += UInt64(messages.count)
      for answer in messages.compactMap({ TransferAnswer(json: $0) }) {
        if answers[answer.receiver] == nil { status.note("\(answer.label) is receiving.") }
        if answers[answer.receiver]?.isDone != true { answers[answer.receiver] = answer }
        if answer.isDone, announced.insert(answer.receiver).inserted {
          bar.update(bytes, of: bytes, from: nil)
          bar.end()
          status.note("\(answer.label) has everything.")
        }
      }
      let done = answers.values.count { $0.isDone }
      if let receivers, done >= receivers { break }
      if let current = answers.values.filter({ !$0.isDone }).max(by: { $0.loaded < $1.loaded }) {
        bar.update(min(current.loaded, bytes), of: bytes, from: nil)
      } else {
        status.show(try waiting())
      }
    }
    status.clear()
    SteadyClock.sleep(for: Self.farewell)
  }

  private func waiting() throws(KacheryError) -> String {
    guard !code.meetingPoints.isEmpty else { return "Waiting for the receiver …" }
    let isMet = try node.meeting().bootstraps.contains { $0.linkedBy != nil }
    return isMet ? "Waiting for the receiver …" : "Waiting for the bootstrap node …"
  }

  /// Lets every linked node answer: all of them know the code, except bootstrap nodes, which do not know the feed.
  private mutating func admitReceivers() throws(KacheryError) {
    let peers = try node.client.get("/v1/peers")["peers"]?.array ?? []
    let nodes = peers.filter { $0["isBootstrapNode"]?.bool != true }
      .compactMap { $0["nodeId"]?.string.flatMap { NodeID(hex: $0) } }
    let known = admitted.union(nodes)
    guard known != admitted else { return }
    admitted = known
    try feeds.setRules(
      AccessRules(known.sorted().map { AccessRules.Rule(node: $0, mayWrite: true) }), of: secret.answers)
  }
}
