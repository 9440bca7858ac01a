import Crypto
import Primitives
import TestSupport
import Wire

/// Well-formed messages of every kind with extreme values, determined by a seed: sizes and numbers up to 2⁶⁴−1, empty
/// and full lists, values that the other side knows in places where it does not expect them.
struct ExtremeMessages {
  /// Values that mean something to the node that gets them.
  struct Known: Sendable {
    var topics: [Topic]
    /// What stands for the channel on one link.
    var channels: [ChannelProof] = []
    var hashes: [ContentHash]
    var nodes: [NodeID]
    var feeds: [SubfeedKey]
  }

  var random: SeededRandom
  var known: Known
  private let key: SigningKey
  /// Numbers of questions and sessions: few, so that some meet those that are open.
  private var numbers: [UInt32] { [0, 1, 2, 3, 7, .max, .max - 1, 1 << 31] }

  /// - Parameter key: the sender's, which signs its presence records.
  init(seed: UInt64, known: Known, key: SigningKey) {
    random = SeededRandom(seed: seed)
    self.known = known
    self.key = key
  }

  // MARK: Values

  private mutating func one<Value>(of values: [Value], or other: Value) -> Value {
    values.randomElement(using: &random) ?? other
  }

  private mutating func number<Number: FixedWidthInteger & UnsignedInteger>(_: Number.Type) -> Number {
    let half = Number.max / 2
    let edges: [Number] = [0, 1, 2, half - 1, half, half + 1, .max - 1, .max]
    return random.chance(70) ? one(of: edges, or: 0) : Number(truncatingIfNeeded: random.next())
  }

  private mutating func position() -> UInt64 {
    let edges: [UInt64] = [0, 1, 65_535, 1 << 20, 1 << 32, 1 << 53, 1 << 63 - 1, 1 << 63]
    return random.chance(50) ? one(of: edges, or: 0) : number(UInt64.self)
  }

  private mutating func fixed<Value: FixedBytes>(_ known: [Value]) -> [UInt8] {
    if random.chance(75), let value = known.randomElement(using: &random) { return value.bytes }
    let edges: [UInt8] = [0, 0xff]
    return random.chance(50)
      ? random.bytes(Value.byteCount) : [UInt8](repeating: one(of: edges, or: 0), count: Value.byteCount)
  }

  private mutating func text(_ limit: Int) -> String {
    let texts = ["", "a", "\u{0}", "\u{1b}[2J", "\u{202e}", String(repeating: "x", count: limit), "…é"]
    return one(of: texts, or: "")
  }

  private mutating func count(_ limit: Int) -> Int { one(of: [0, 1, 2, limit / 2, limit - 1, limit], or: 0) }

  private mutating func refusal() -> UInt8 { one(of: Refusal.allCases, or: .notHere).rawValue }

  private mutating func address() -> [UInt8] {
    var writer = ByteWriter()
    let transport = UInt8(random.number(1...6))
    writer.integer(transport)
    if transport == 5 {
      writer.raw(fixed(known.nodes))
    } else {
      let hosts = ["127.0.0.1", "0.0.0.0", "::1", "::", "255.255.255.255", "224.0.0.1", "localhost", "a.invalid"]
      writer.text(one(of: hosts, or: ""))
      writer.integer(number(UInt16.self))
    }
    return writer.bytes
  }

  private mutating func candidates() -> [UInt8] {
    var writer = ByteWriter()
    let count = count(WireLimits.candidates)
    writer.integer(UInt16(count))
    for _ in 0..<count {
      writer.integer(UInt8(random.number(0...8)))
      writer.integer(UInt8(random.number(0...3)))
      let length = random.chance(50) ? 4 : 16
      writer.integer(UInt8(length == 4 ? 4 : 6))
      let edge: [UInt8] = length == 4 ? [127, 0, 0, 1] : [UInt8](repeating: 0, count: 15) + [1]
      writer.raw(random.chance(50) ? edge : random.bytes(length))
      writer.integer(number(UInt16.self))
    }
    return writer.bytes
  }

  /// A record that this sender has signed, or of a node that does not exist.
  private mutating func record() -> PresenceRecord? {
    let topic = Topic(bytes: fixed(known.topics))
    let (issued, expires) = (position(), position())
    guard let topic else { return nil }
    let key = random.chance(50) ? key : (try? SigningKey.generate()) ?? key
    let addresses = (0..<count(WireLimits.addresses)).compactMap { _ in (try? Address.decode(address())) ?? nil }
    var record = PresenceRecord(
      node: key.publicKey, topic: topic, addresses: addresses,
      relays: known.nodes.prefix(random.number(0...2)).map(\.self), capabilities: number(UInt64.self),
      issued: WallTime(milliseconds: issued), expires: WallTime(milliseconds: expires))
    record.signature = key.sign(record.signedBytes)
    return record
  }

  // MARK: Control stream

  /// A message for the control stream, after the hello.
  mutating func control() -> [UInt8] {
    switch random.number(2...17) {
    case 2: return ControlMessage.channels(random.chance(50) ? [] : known.channels).encoded
    case 3: return ControlMessage.presence((0..<random.number(0...4)).compactMap { _ in record() }).encoded
    case 4:
      return frame(4) {
        $1.integer($0.one(of: $0.numbers, or: 0))
        $1.raw($0.fixed($0.known.channels))
        $1.raw($0.fixed($0.known.hashes))
        $1.flag($0.random.chance(50))
      }
    case 5: return found(nil)
    case 6:
      return frame(6) {
        $1.integer(UInt8($0.random.number(1...6)))
        $1.text($0.text(WireLimits.reason))
      }
    case 7:
      return frame(7) {
        $1.raw($0.fixed($0.known.hashes))
        $1.integer($0.number(UInt32.self))
      }
    case 8:
      return frame(8) {
        $1.raw($0.fixed($0.known.hashes))
        $1.integer($0.refusal())
      }
    case 9:
      return frame(9) {
        $1.integer($0.one(of: $0.numbers, or: 0))
        $1.raw([UInt8($0.random.number(0...4)), UInt8($0.random.number(0...4)), $0.number(UInt8.self)])
        $1.raw($0.candidates())
      }
    case 10:
      return frame(10) {
        $1.integer($0.one(of: $0.numbers, or: 0))
        $1.raw([$0.number(UInt8.self), $0.number(UInt8.self), $0.number(UInt8.self)])
        $1.raw($0.candidates())
      }
    case 11:
      return frame(11) {
        $1.integer($0.one(of: $0.numbers, or: 0))
        $1.integer($0.number(UInt8.self))
      }
    case 12: return frame(12) { $1.integer($0.number(UInt64.self)) }
    case 13: return frame(13) { $1.integer($0.number(UInt8.self)) }
    case 14:
      return frame(14) {
        $1.integer($0.one(of: $0.numbers, or: 0))
        $1.raw([$0.number(UInt8.self), $0.number(UInt8.self), 0])
      }
    case 15:
      return frame(15) {
        let count = $0.count(WireLimits.channels)
        $1.integer(UInt16(count))
        for _ in 0..<count { $1.raw($0.fixed($0.known.topics)) }
      }
    // Of later versions.
    default: return frame(UInt8(random.number(60...255))) { $1.raw($0.random.bytes($0.count(1_000))) }
    }
  }

  /// An answer to a question.
  ///
  /// - Parameter id: the question's number; nil for any.
  mutating func found(_ id: UInt32?) -> [UInt8] {
    frame(5) {
      $1.integer(id ?? $0.one(of: $0.numbers, or: 0))
      guard $0.random.chance(80) else {
        $1.flag(false)
        return $1.integer($0.refusal())
      }
      $1.flag(true)
      $1.integer($0.position())
      let hasManifest = $0.random.chance(50)
      $1.flag(hasManifest)
      if hasManifest { $1.raw($0.fixed($0.known.hashes)) }
      let hasChunks = hasManifest && $0.random.chance(50)
      $1.flag(hasChunks)
      if hasChunks { $1.bytes($0.random.bytes(max(1, $0.count(4_096)))) }
    }
  }

  // MARK: Other streams

  /// What the opener of a stream of this kind may send.
  mutating func request(_ kind: StreamKind) -> [UInt8] {
    switch kind {
    case .control: return control()
    case .fetch:
      return frame(16) {
        $1.raw($0.fixed($0.known.channels))
        $1.raw($0.fixed($0.known.hashes))
        $1.integer($0.position())
        $1.integer($0.position())
      }
    case .batch:
      return frame(24) {
        $1.raw($0.fixed($0.known.channels))
        let count = $0.count(BatchRequest.maximumFiles)
        $1.integer(UInt16(count))
        let same = $0.random.chance(50) ? $0.fixed($0.known.hashes) : nil
        for _ in 0..<count { $1.raw(same ?? $0.fixed($0.known.hashes)) }
      }
    case .feed: return feedRequest()
    case .lane: return frame(26) { $1.integer($0.number(UInt64.self)) }
    case .relay, .relayed:
      return frame(kind == .relay ? 48 : 49) {
        $1.integer(UInt8($0.random.number(0...3)))
        $1.raw($0.fixed($0.known.topics))
        $1.raw($0.fixed($0.known.nodes))
        $1.integer(UInt8(0))
      }
    }
  }

  private mutating func feedRequest() -> [UInt8] {
    let type = UInt8(random.number(32...35))
    return frame(type) {
      $1.integer($0.one(of: $0.numbers, or: 0))
      guard type != 34 else { return }
      $1.raw($0.fixed($0.known.channels))
      $1.raw($0.fixed($0.known.feeds.map(\.feed)))
      guard type != 32 else { return }
      $1.raw($0.fixed($0.known.feeds.map(\.subfeed)))
      if type == 33 { $1.integer($0.position()) }
      if type == 35 { $1.bytes(Array($0.one(of: ["{}", "[]", "{\"a\":1e999}", "\"\""], or: "").utf8)) }
    }
  }

  /// What the node at the other end of a stream that the daemon has opened may answer.
  mutating func answer(_ kind: StreamKind) -> [UInt8] {
    switch kind {
    case .fetch, .batch:
      return frame(17) {
        $1.integer($0.random.chance(80) ? UInt8(0) : $0.refusal())
        $1.integer($0.position())
      } + random.bytes(count(1_000))
    case .feed: return feedAnswer()
    case .control, .lane, .relay, .relayed: return frame(50) { $1.raw([$0.number(UInt8.self), 0]) }
    }
  }

  private mutating func feedAnswer() -> [UInt8] {
    let type = UInt8(random.number(40...45))
    return frame(type) {
      $1.integer($0.one(of: $0.numbers, or: 0))
      switch type {
      case 40:
        let isHeld = $0.random.chance(50)
        $1.flag(isHeld)
        $1.flag(false)
      case 41:
        $1.integer($0.position())
        $1.raw($0.random.bytes(WireLimits.signature))
        let count = $0.count(100)
        $1.integer(UInt16(count))
        for _ in 0..<count {
          $1.integer(UInt32(2))
          $1.raw(Array("{}".utf8))
        }
      case 42: $1.integer($0.position())
      case 43: $1.integer($0.refusal())
      case 45: $1.text($0.text(WireLimits.reason))
      default: break
      }
    }
  }

  private mutating func frame(_ type: UInt8, _ write: (inout ExtremeMessages, inout ByteWriter) -> Void) -> [UInt8] {
    Frame.encode(type) { write(&self, &$0) }
  }
}
