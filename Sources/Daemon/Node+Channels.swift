import APIModel
import Discovery
import NodeCore
import Primitives

extension Node {
  /// How often channels' documents are read again; a withdrawn membership ends within that time.
  static let channelPeriod: Duration = .seconds(180)

  /// Reads which channels are joined, and joins those that the command line names.
  func readJoinedChannels() async {
    let stored = try? await loop.onPool { [mutables] () throws(KacheryError) in
      try mutables.get(JoinedChannel.mutableKey)
    }
    var channels = JoinedChannel.list(from: stored ?? nil)
    let new = configuration.channels.map { JoinedChannel.followingLatest(ByteString($0)) }.filter { address in
      !channels.contains { $0.address == address }
    }
    guard new.isEmpty else {
      channels += new.map { JoinedChannel(address: $0) }
      let value = JoinedChannel.value(of: channels)
      _ = try? await loop.onPool { [mutables] () throws(KacheryError) in
        try mutables.set(JoinedChannel.mutableKey, value)
      }
      return await join(channels)
    }
    await join(channels)
  }

  /// The joined channels are now these. Documents that are not known are taken from their copies, then fetched.
  func join(_ channels: [JoinedChannel]) async {
    joined = channels
    for channel in channels where ChannelSource.isDocument(channel.address) && documents[channel.address] == nil {
      documents[channel.address] = await channelSource.copy(of: channel.address)
    }
    tellCore()
    refreshChannels()
  }

  private func tellCore() {
    let channels = joined.map { channel in
      Channel(
        address: channel.address,
        membership: ChannelSource.isDocument(channel.address) ? .byDocument(documents[channel.address]) : .byName,
        isPublic: channel.isPublic)
    }
    input { core, now in core.setChannels(channels, at: now) }
  }

  /// Reads every document again.
  func refreshChannels() {
    for channel in joined where ChannelSource.isDocument(channel.address) {
      Task { await refresh(channel.address) }
    }
  }

  private func refresh(_ address: ByteString) async {
    do throws(KacheryError) {
      let document = try await channelSource.fetch(address)
      guard joined.contains(where: { $0.address == address }), documents[address] != document else { return }
      documents[address] = document
      log.info("The channel \(address) lists this node: \(document.member(id) == nil ? "no" : "yes").")
      tellCore()
    } catch {
      log.warning(
        "The channel \(address) could not be read: \(error) \(documents[address] == nil ? "" : "Its last good copy stays in use.")"
      )
    }
  }

  /// The topic of the channel that a client names by its address or its label.
  func topic(ofChannel name: String) throws(KacheryError) -> Topic {
    let address = ByteString(name)
    let match = joined.first { $0.address == address } ?? joined.first { documents[$0.address]?.label == address }
    guard let match else {
      throw KacheryError(
        .notFound, "This node has not joined the channel '\(name)'; join it with kachery-p2p-join-channel.")
    }
    return Channel(address: match.address, membership: .byName).topic
  }
}
