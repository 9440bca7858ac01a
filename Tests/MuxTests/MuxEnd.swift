import Mux

/// One end of an in-memory pipe: a session and its owner's state.
struct MuxEnd {
  var session: MuxSession
  /// Bytes in flight to the other end.
  var wire: [UInt8] = []
  /// Bytes still to send; a stream is removed when it is finished or reset.
  var unsent: [StreamID: ArraySlice<UInt8>] = [:]
  /// All bytes to send, for comparison.
  var sent: [StreamID: [UInt8]] = [:]
  var received: [StreamID: [UInt8]] = [:]
  var unconsumed: [StreamID: Int] = [:]
  /// The largest window that this end has offered.
  var window: [StreamID: Int] = [:]
  var opened: [StreamID] = []
  var finished: Set<StreamID> = []
  var reset: Set<StreamID> = []
  var pongs: [UInt32] = []
  var violations: [String] = []

  init(_ role: MuxSession.Role) { session = MuxSession(role: role) }

  mutating func open(window: Int = MuxSession.initialWindow, sending bytes: [UInt8]) -> StreamID {
    let id = session.openStream(window: window) ?? StreamID(number: 0)
    self.window[id] = max(window, MuxSession.initialWindow)
    send(bytes, on: id)
    return id
  }

  mutating func send(_ bytes: [UInt8], on id: StreamID) {
    sent[id] = bytes
    unsent[id] = bytes[...]
  }

  /// Sends up to `limit` remaining bytes on a stream, and its end if there are none. Returns the number of bytes.
  @discardableResult
  mutating func push(_ id: StreamID, limit: Int) -> Int {
    guard let left = unsent[id] else { return 0 }
    let count = min(left.count, limit, session.sendable(on: id), MuxSession.maximumFrame)
    if count > 0 {
      session.dataHeader(on: id, count: count)
      flush()
      wire += left.prefix(count)
      unsent[id] = left.dropFirst(count)
    }
    if unsent[id]?.isEmpty == true {
      session.finish(id)
      unsent[id] = nil
    }
    return count
  }

  /// Puts the session's output on the wire.
  mutating func flush() { session.takeOutput(into: &wire) }

  mutating func giveUp(_ id: StreamID) {
    session.reset(id)
    unsent[id] = nil
    reset.insert(id)
  }

  mutating func consume(_ count: Int, on id: StreamID) {
    session.consumed(count, on: id)
    unconsumed[id, default: 0] -= count
  }

  /// Processes bytes from the other end.
  mutating func receive(_ bytes: ArraySlice<UInt8>) throws(MuxError) {
    let copy = Array(bytes)
    let result: Result<Void, MuxError> = copy.withUnsafeBytes { buffer in
      var input = buffer[...]
      do throws(MuxError) {
        while let event = try session.next(&input) { note(event) }
      } catch {
        return .failure(error)
      }
      if !input.isEmpty { violations.append("\(input.count) bytes were left") }
      return .success(())
    }
    try result.get()
  }

  private mutating func note(_ event: MuxEvent) {
    switch event {
    case .opened(let id):
      opened.append(id)
      window[id] = MuxSession.initialWindow
    case .data(let id, let slice):
      if finished.contains(id) { violations.append("data behind the end of \(id.number)") }
      if reset.contains(id) { violations.append("data on \(id.number), which was reset") }
      received[id, default: []] += slice
      unconsumed[id, default: 0] += slice.count
      if unconsumed[id, default: 0] > window[id, default: 0] { violations.append("\(id.number) holds too much") }
    case .finished(let id):
      if !finished.insert(id).inserted { violations.append("two ends of \(id.number)") }
    case .reset(let id):
      reset.insert(id)
      unsent[id] = nil
    case .pong(let value): pongs.append(value)
    case .writable, .goAway: break
    }
  }
}

extension MuxEnd {
  /// A frame as a hostile peer would write it.
  static func frame(
    version: UInt8 = 0, type: UInt8, flags: UInt16 = 0, stream: UInt32 = 0, value: UInt32 = 0
  ) -> [UInt8] {
    var bytes = [version, type]
    withUnsafeBytes(of: flags.bigEndian) { bytes += $0 }
    withUnsafeBytes(of: stream.bigEndian) { bytes += $0 }
    withUnsafeBytes(of: value.bigEndian) { bytes += $0 }
    return bytes
  }

  /// A fresh server's error for these bytes.
  static func refusal(of bytes: [UInt8]) -> MuxError? {
    var server = MuxEnd(.server)
    do throws(MuxError) { try server.receive(bytes[...]) } catch { return error }
    return nil
  }
}
