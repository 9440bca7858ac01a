import APIModel
import Primitives

/// A kind of event of `/v1/events`.
enum EventKind: String, CaseIterable {
  case status
  case transfers
  case peers
  case notices
  case channels
}

/// The latest event of each kind, written once for all streams. A reader that is slow skips what it has missed, so its
/// stream holds at most one event of each kind.
struct EventBoard {
  private struct Entry {
    var version: UInt64
    var bytes: [UInt8]
  }

  /// What one reader has seen: the version of each kind.
  struct Reader {
    fileprivate var seen: [EventKind: UInt64] = [:]
    /// Whether it may know the channels.
    let readsChannels: Bool

    init(readsChannels: Bool) { self.readsChannels = readsChannels }
  }

  private var entries: [EventKind: Entry] = [:]
  private var version: UInt64 = 0

  /// Replaces the event of a kind, unless it is still the same.
  mutating func post(_ kind: EventKind, _ json: JSONValue) { post(kind, bytes: json.compactBytes) }

  /// Replaces the event of a kind, whose JSON is written already.
  mutating func post(_ kind: EventKind, bytes json: [UInt8]) {
    let bytes = EventStream.event(kind.rawValue, json)
    guard entries[kind]?.bytes != bytes else { return }
    version += 1
    entries[kind] = Entry(version: version, bytes: bytes)
  }

  /// The events that the reader has not seen.
  func news(for reader: inout Reader) -> [UInt8] {
    var bytes: [UInt8] = []
    for kind in EventKind.allCases where kind != .channels || reader.readsChannels {
      guard let entry = entries[kind], reader.seen[kind] != entry.version else { continue }
      reader.seen[kind] = entry.version
      bytes += entry.bytes
    }
    return bytes
  }
}
