import APIModel
import LocalAPI
import Primitives

extension FakeNode {
  func channelStates(withAllMembers: Bool) -> [ChannelState] {
    var state = ChannelState(JoinedChannel(address: "<b>lab</b>"), isByName: true)
    state.memberCount = withAllMembers ? 2 : 1
    return [state]
  }

  func reloadChannels(_ name: ByteString?) async throws(KacheryError) -> [ChannelReading] {
    [ChannelReading(name ?? "all", node: id, nodeLabel: "fake")]
  }

  func checkChannel(_ address: ByteString, onlyPublic: Bool) async -> ChannelReading {
    var reading = ChannelReading(address, node: id, nodeLabel: "fake")
    reading.error = KacheryError(.notFound, onlyPublic ? "public" : "any")
    return reading
  }
}
