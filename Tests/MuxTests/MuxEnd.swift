import Mux

/// One end of a pipe in memory: a session, and what the owner of a session keeps beside it.
struct MuxEnd {
  var session: MuxSession
  /// Bytes on their way to the other end.
  var wire: [UInt8] = []
  /// What is still to be sent; a stream leaves when it has been finished or reset.
  var unsent: [StreamID: ArraySlice<UInt8>] = [:]
  /// Everything that was to be sent, for comparison.
  var sent: [StreamID: [UInt8]] = [:]
  var received: [StreamID: [UInt8]] = [:]
  var unconsumed: [StreamID: Int] = [:]
  /// The largest window this end has offered.
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

  /// Sends up to `limit` bytes of what is left on a stream, and the end where nothing is. Says how many.
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

  /// Puts what the session has to say on the wire.
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

  /// Takes in bytes from the other end.
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

  /// What a fresh server says to these bytes.
  static func refusal(of bytes: [UInt8]) -> MuxError? {
    var server = MuxEnd(.server)
    do throws(MuxError) { try server.receive(bytes[...]) } catch { return error }
    return nil
  }
}
