import Primitives

extension ControlMessage {
  private enum FrameType {
    static let hello: UInt8 = 1
    static let channels: UInt8 = 2
    static let presence: UInt8 = 3
    static let find: UInt8 = 4
    static let found: UInt8 = 5
    static let goodbye: UInt8 = 6
    static let waiting: UInt8 = 7
    static let aborted: UInt8 = 8
    static let reach: UInt8 = 9
    static let punch: UInt8 = 10
    static let punchStart: UInt8 = 11
    static let prefer: UInt8 = 12
    static let lanesWanted: UInt8 = 13
    static let punchEnd: UInt8 = 14
    static let topics: UInt8 = 15
    static let relaying: UInt8 = 16
    static let identityQuery: UInt8 = 17
    static let identityAnswer: UInt8 = 18
    static let identityCopy: UInt8 = 19
    static let replicate: UInt8 = 20
    static let replicated: UInt8 = 21
  }

  /// The message as a frame.
  package var encoded: [UInt8] {
    switch self {
    case .hello(let hello): Frame.encode(FrameType.hello) { $0.write(hello) }
    case .channels(let proofs): Frame.encode(FrameType.channels) { $0.list(proofs) { $0.fixed($1) } }
    case .topics(let topics): Frame.encode(FrameType.topics) { $0.list(topics) { $0.fixed($1) } }
    case .relaying(let offers): Frame.encode(FrameType.relaying) { $0.list(offers) { $0.write($1) } }
    case .presence(let records): Frame.encode(FrameType.presence) { $0.list(records) { $0.write($1) } }
    case .find(let request): Frame.encode(FrameType.find) { $0.write(request) }
    case .found(let answer): Frame.encode(FrameType.found) { $0.write(answer) }
    case .goodbye(let goodbye): Frame.encode(FrameType.goodbye) { $0.write(goodbye) }
    case .waiting(let notice): Frame.encode(FrameType.waiting) { $0.write(notice) }
    case .aborted(let notice): Frame.encode(FrameType.aborted) { $0.write(notice) }
    case .lanesWanted(let count): Frame.encode(FrameType.lanesWanted) { $0.integer(count) }
    case .prefer(let link): Frame.encode(FrameType.prefer) { $0.integer(link) }
    case .reach(let reach): Frame.encode(FrameType.reach) { $0.write(reach) }
    case .punch(let punch): Frame.encode(FrameType.punch) { $0.write(punch) }
    case .punchStart(let start): Frame.encode(FrameType.punchStart) { $0.write(start) }
    case .punchEnd(let end): Frame.encode(FrameType.punchEnd) { $0.write(end) }
    case .identityQuery(let number): Frame.encode(FrameType.identityQuery) { $0.integer(number) }
    case .identityAnswer(let number): Frame.encode(FrameType.identityAnswer) { $0.integer(number) }
    case .identityCopy(let place): Frame.encode(FrameType.identityCopy) { $0.text(place) }
    case .replicate(let request): Frame.encode(FrameType.replicate) { $0.write(request) }
    case .replicated(let answer): Frame.encode(FrameType.replicated) { $0.write(answer) }
    }
  }

  /// Decodes a frame; nil if its type is of a later minor version and may be ignored.
  package static func decode(_ frame: Frame) throws(WireError) -> ControlMessage? {
    var reader = ByteReader(frame.body)
    do throws(ByteReaderError) {
      switch frame.type {
      case FrameType.hello: return .hello(try reader.hello())
      case FrameType.channels: return .channels(try reader.proofs())
      case FrameType.topics: return .topics(try reader.topics())
      case FrameType.relaying: return .relaying(try reader.relayOffers())
      case FrameType.presence: return .presence(try reader.presenceRecords())
      case FrameType.find: return .find(try reader.findRequest())
      case FrameType.found: return .found(try reader.findAnswer())
      case FrameType.goodbye: return .goodbye(try reader.goodbye())
      case FrameType.waiting: return .waiting(try reader.waitingNotice())
      case FrameType.aborted: return .aborted(try reader.abortNotice())
      case FrameType.lanesWanted: return .lanesWanted(try reader.byte())
      case FrameType.prefer: return .prefer(try reader.integer())
      case FrameType.reach: return .reach(try reader.reach())
      case FrameType.punch: return .punch(try reader.punch())
      case FrameType.punchStart: return .punchStart(try reader.punchStart())
      case FrameType.punchEnd: return .punchEnd(try reader.punchEnd())
      case FrameType.identityQuery: return .identityQuery(try reader.integer())
      case FrameType.identityAnswer: return .identityAnswer(try reader.integer())
      case FrameType.identityCopy: return .identityCopy(try reader.text(limit: WireLimits.reason))
      case FrameType.replicate: return .replicate(try reader.replicaRequest())
      case FrameType.replicated: return .replicated(try reader.replicaAnswer())
      default: return nil
      }
    } catch {
      throw .malformed(error)
    }
  }
}

extension ByteWriter {
  fileprivate mutating func write(_ request: FindRequest) {
    integer(request.id)
    fixed(request.channel)
    fixed(request.hash)
    flag(request.wantsManifest)
  }

  fileprivate mutating func write(_ answer: FindAnswer) {
    integer(answer.id)
    switch answer.outcome {
    case .has(let file):
      flag(true)
      integer(file.size)
      optional(file.manifest) { $0.fixed($1) }
      optional(file.chunks) { $0.bytes($1.bytes) }
    case .refuses(let refusal):
      flag(false)
      integer(refusal.rawValue)
    }
  }

  fileprivate mutating func write(_ goodbye: Goodbye) {
    integer(goodbye.code.rawValue)
    text(goodbye.reason)
  }

  fileprivate mutating func write(_ notice: WaitingNotice) {
    fixed(notice.hash)
    integer(notice.others)
  }

  fileprivate mutating func write(_ notice: AbortNotice) {
    fixed(notice.hash)
    integer(notice.reason.rawValue)
  }
}

extension ByteReader {
  fileprivate mutating func topics() throws(ByteReaderError) -> [Topic] {
    try list(limit: WireLimits.channels) { (reader) throws(ByteReaderError) in try reader.fixed() }
  }

  fileprivate mutating func presenceRecords() throws(ByteReaderError) -> [PresenceRecord] {
    try list(limit: WireLimits.records) { (reader) throws(ByteReaderError) in try reader.presenceRecord() }
  }

  fileprivate mutating func findRequest() throws(ByteReaderError) -> FindRequest {
    FindRequest(id: try integer(), channel: try fixed(), hash: try fixed(), wantsManifest: try flag())
  }

  fileprivate mutating func findAnswer() throws(ByteReaderError) -> FindAnswer {
    let id = try integer(UInt32.self)
    guard try flag() else { return FindAnswer(id: id, .refuses(try refusal())) }
    let size = try integer(UInt64.self)
    guard size <= Limits.maximumFileSize else { throw .malformed }
    let manifest: ContentHash? = try optional { (reader) throws(ByteReaderError) in try reader.fixed() }
    let chunks: ChunkSet? = try optional { (reader) throws(ByteReaderError) in
      ChunkSet(bytes: try reader.bytes(limit: ChunkSet.maximumBytes))
    }
    guard let chunks else { return FindAnswer(id: id, .has(FindAnswer.File(size: size, manifest: manifest))) }
    // Chunks without a manifest are meaningless.
    guard let manifest, !chunks.bytes.isEmpty else { throw .malformed }
    return FindAnswer(id: id, .has(FindAnswer.File(size: size, manifest: manifest, chunks: chunks)))
  }

  fileprivate mutating func goodbye() throws(ByteReaderError) -> Goodbye {
    guard let code = Goodbye.Code(rawValue: try byte()) else { throw .malformed }
    return Goodbye(code, try text(limit: WireLimits.reason))
  }

  fileprivate mutating func waitingNotice() throws(ByteReaderError) -> WaitingNotice {
    WaitingNotice(hash: try fixed(), others: try integer())
  }

  fileprivate mutating func abortNotice() throws(ByteReaderError) -> AbortNotice {
    AbortNotice(hash: try fixed(), reason: try refusal())
  }
}
