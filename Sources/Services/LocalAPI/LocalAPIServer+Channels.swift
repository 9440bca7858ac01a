import APIModel
import HTTP
import Primitives

/// `/v1/channels` and below: the joined channels, their documents and their members.
extension LocalAPIServer {
  func answerChannels(_ route: Route, _ caller: Caller?, _ exchange: HTTPExchange) async throws(KacheryError) {
    let fields = try await fields(of: exchange, route)
    switch route {
    case .channelsReload:
      let name = try fields.optionalString("channel").map { ByteString($0) }
      respond(exchange, ["channels": .array(try await node.reloadChannels(name).map(\.json))])
    case .channelsCheck:
      let address = JoinedChannel.followingLatest(ByteString(try fields.string("channel")))
      try JoinedChannel.requireJoinable(address)
      guard caller == .owner || RemoteChannels.mayJoin(address.text) else {
        throw KacheryError(.forbidden, "The document at \(address) is read only for programs on the daemon's machine.")
      }
      respond(exchange, await node.checkChannel(address, onlyPublic: caller != .owner).json)
    default:
      let withAllMembers = try fields.optionalBool("allMembers") ?? false
      let states = await node.channelStates(withAllMembers: withAllMembers)
      // A document may list thousands.
      respond(
        exchange,
        bytes: try await loop.onPool { (["channels": .array(states.map(\.json))] as JSONValue).compactBytes })
    }
  }
}
