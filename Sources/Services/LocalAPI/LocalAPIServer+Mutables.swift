import APIModel
import HTTP
import Primitives

extension LocalAPIServer {
  /// Reads, sets or removes a mutable if the caller may, judged by the mutable's key.
  func answerMutable(_ route: Route, _ caller: Caller?, _ exchange: HTTPExchange) async throws(KacheryError) {
    let fields = try await fields(of: exchange, route)
    let key = try fields.anyValue("key")
    let kind = MutableKind(of: key)
    let isAllowed = route == .mutableGet ? caller?.may(read: kind) : caller?.may(write: kind)
    guard isAllowed == true else {
      if caller == .groupMember, kind == .channels, let refusal = socketAccess?.refusal(route) { throw refusal }
      throw KacheryError(
        .forbidden, "The value with this key is only for programs on the daemon's own machine that have its full token."
      )
    }
    switch route {
    case .mutableSet: try await set(key, fields, caller, exchange)
    case .mutableDelete:
      try await node.deleteMutable(key)
      respond(exchange, ["success": true])
    default:
      let value = try await node.mutable(key)
      let reply: JSONValue = ["success": true, "found": .bool(value != nil), "value": value ?? ""]
      // A value may be as large as a request.
      respond(exchange, bytes: try await loop.onPool { reply.compactBytes })
    }
  }

  private func set(
    _ key: JSONValue, _ fields: JSONFields, _ caller: Caller?, _ exchange: HTTPExchange
  ) async throws(KacheryError) {
    var value = try fields.anyValue("value")
    if key == JoinedChannel.mutableKey {
      let joined = JoinedChannel.list(from: try await node.mutable(key))
      let channels = JoinedChannel.list(from: value)
      let known = Set(joined.map(\.address))
      for channel in channels where !known.contains(channel.address) {
        try JoinedChannel.requireJoinable(channel.address)
      }
      if caller == .otherMachine {
        value = JoinedChannel.value(of: try RemoteChannels.marked(channels, joined: joined))
      }
    }
    let isSet = try await node.setMutable(key, value, update: try fields.optionalBool("update") ?? true)
    respond(exchange, ["success": .bool(isSet)])
  }
}
