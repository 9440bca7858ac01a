internal import CPortMapping
package import Primitives

/// Asks routers for port mappings. From any thread, which is blocked meanwhile.
package final class RouterQuestions: Sendable {
  private let cancellation: Int32

  package init() { cancellation = CPortMapping_cancellation() }

  deinit { CPortMapping_close(cancellation) }

  /// Ends the questions that are being asked, and every later one: their answers are `silent`.
  package func cancel() { CPortMapping_cancel(cancellation) }

  /// Asks, and blocks until the router has answered, but at most for `limit`.
  package func ask(_ question: PortMappingQuestion, within limit: Duration) -> PortMappingAnswer {
    guard question.gateway.bytes.count == 4, question.innerPort > 0, question.outerPort > 0 else { return .silent }
    var raw = CPortMapping_Question()
    raw.protocol = Int32(question.method == .natPMP ? CPortMapping_NATPMP : CPortMapping_UPNP)
    raw.is_udp = question.transport == .udp ? 1 : 0
    raw.gateway = question.gateway.bytes.withUnsafeBytes { $0.loadUnaligned(as: UInt32.self) }
    guard Self.copy(question.interface, into: &raw.interface) else { return .silent }
    // Without the location the router is searched for.
    if !Self.copy(question.location, into: &raw.location) { _ = Self.copy("", into: &raw.location) }
    raw.inner_port = question.innerPort
    raw.outer_port = question.outerPort
    raw.seconds = UInt32(clamping: question.lifetime.components.seconds)
    return Self.answer(CPortMapping_ask(raw, Int32(clamping: limit.wholeMilliseconds), cancellation))
  }

  /// Copies the text and a zero into a C array.
  ///
  /// - Returns: whether there is room.
  private static func copy<Room>(_ text: String, into array: inout Room) -> Bool {
    withUnsafeMutableBytes(of: &array) { room in
      guard text.utf8.count < room.count else { return false }
      for (index, byte) in (Array(text.utf8) + [0]).enumerated() { room[index] = byte }
      return true
    }
  }

  private static func answer(_ raw: CPortMapping_Answer) -> PortMappingAnswer {
    switch Int(raw.outcome) {
    case CPortMapping_GRANTED:
      let outside = withUnsafeBytes(of: raw.outside) { IPAddress(bytes: Array($0)) }
      let location = withUnsafeBytes(of: raw.location) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
      return .granted(
        outside: raw.outside == 0 ? nil : outside, port: raw.outer_port, lifetime: .seconds(Int64(raw.seconds)),
        location: location)
    case CPortMapping_TAKEN: return .taken
    case CPortMapping_REFUSED, CPortMapping_FAILED: return .refused(code: Int(raw.code))
    default: return .silent
    }
  }
}
