package import Primitives

/// Server-sent events (WHATWG HTML, section 9.2) as `/v1/events` sends them: each has a name and one JSON document.
package enum EventStream {
  /// Bytes in the largest accepted event: the state of a node with a hundred thousand peers.
  package static let largestEvent = 64 << 20

  /// The event with this name. JSON has no line breaks, so it is one line.
  package static func event(_ name: String, _ json: [UInt8]) -> [UInt8] {
    Array("event: \(name)\ndata: ".utf8) + json + Array("\n\n".utf8)
  }
}

/// Takes events out of bytes as they arrive.
package struct EventStreamDecoder: Sendable {
  /// One event.
  package typealias Event = (name: String, data: JSONValue)

  private static let nameField = Array("event: ".utf8)
  private static let dataField = Array("data: ".utf8)

  private var pending: [UInt8] = []

  package init() {}

  /// Decodes the next bytes of the stream; returns the events that are complete. Comments and events without a name are
  /// skipped.
  ///
  /// - Throws: `protocolViolation` if they are no events with JSON, or one is too large.
  package mutating func receive(_ bytes: some Sequence<UInt8>) throws(KacheryError) -> [Event] {
    // The first of the two line breaks that end an event may have arrived before.
    var searched = max(0, pending.count - 1)
    pending.append(contentsOf: bytes)
    var events: [Event] = []
    var start = 0
    while let end = end(from: searched) {
      if let event = try Self.event(pending[start..<end]) { events.append(event) }
      start = end + 2
      searched = start
    }
    pending.removeFirst(start)
    guard pending.count <= EventStream.largestEvent else { throw Self.broken }
    return events
  }

  /// Where the empty line begins that ends an event.
  private func end(from start: Int) -> Int? {
    pending.withUnsafeBufferPointer { bytes in
      var index = start
      while index + 1 < bytes.count {
        if bytes[index] == 0x0a, bytes[index + 1] == 0x0a { return index }
        index += 1
      }
      return nil
    }
  }

  private static func event(_ bytes: ArraySlice<UInt8>) throws(KacheryError) -> Event? {
    var name = ""
    var data: [UInt8] = []
    for line in bytes.split(separator: 0x0a) {
      if line.starts(with: nameField) { name = String(decoding: line.dropFirst(nameField.count), as: UTF8.self) }
      if line.starts(with: dataField) { data += line.dropFirst(dataField.count) }
    }
    guard !name.isEmpty else { return nil }
    do { return (name, try JSONParser.parse(data)) } catch { throw broken }
  }

  private static var broken: KacheryError {
    KacheryError(.protocolViolation, "The daemon's answer is not a stream of events.")
  }
}
