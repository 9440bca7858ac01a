import APIModel
import Discovery
import LocalAPI
import NodeCore
import Primitives

/// The joined channels, for clients.
extension Node {
  func channelStates(withAllMembers: Bool) -> [ChannelState] {
    let now = driver.now
    return channels.list.map { channel in
      var state = ChannelState(channel, isByName: !channels.hasDocument(channel))
      state.problem = channels.documents.problem(channel.address)
      state.lastReadAge = channels.documents.lastRead(channel.address)
        .map { Int((now.instant - $0).components.seconds) }
      if let document = channels.documents[channel.address] {
        state.hasDocument = true
        state.label = document.label.text
        state.rights = document.member(id)?.rights
      }
      guard let topic = channels.topic(of: channel),
        let summary = driver.read({ $0.channelSummary(of: topic, at: now) })
      else { return state }
      let others = summary.members.map(\.state)
      state.memberCount = others.count { state.isByName || $0.rights != nil }
      state.onlineCount = others.count(where: \.isOnline)
      state.members = withAllMembers ? others : others.filter(\.isOnline)
      return state
    }
  }

  func reloadChannels(_ name: ByteString?) async throws(KacheryError) -> [ChannelReading] {
    let joined = channels.list.filter { channel in
      name.map { $0 == channel.address || $0 == channels.documents[channel.address]?.label } ?? true
    }
    if let name, joined.isEmpty {
      throw KacheryError(.notFound, "This node has not joined the channel '\(name)'; see kachery channel list.")
    }
    let documents = joined.filter { channels.hasDocument($0) }
    guard name == nil || !documents.isEmpty else {
      throw KacheryError(
        .badRequest,
        "The channel '\(name?.text ?? "")' has no document to read: everyone who knows its name is a member.")
    }
    return await withTaskGroup(of: (Int, ChannelReading).self) { group in
      for (index, channel) in documents.enumerated() { group.addTask { (index, await self.reading(of: channel)) } }
      var readings: [(Int, ChannelReading)] = []
      for await reading in group { readings.append(reading) }
      return readings.sorted { $0.0 < $1.0 }.map(\.1)
    }
  }

  private func reading(of channel: JoinedChannel) async -> ChannelReading {
    await withCheckedContinuation { continuation in
      channels.read(channel) { [self] result in
        var reading = ChannelReading(channel.address, node: id, nodeLabel: configuration.label)
        switch result {
        case .success(let (document, earlier)):
          describe(document, in: &reading)
          let changes = document.changes(since: earlier)
          reading.added = changes.added.map(\.entry)
          reading.removed = changes.removed.map(\.entry)
          reading.changed = changes.changed.map(\.entry)
        case .failure(let error): reading.error = error
        }
        continuation.resume(returning: reading)
      }
    }
  }

  func checkChannel(_ address: ByteString, onlyPublic: Bool) async -> ChannelReading {
    await withCheckedContinuation { continuation in
      channels.look(at: address, onlyPublic: onlyPublic) { [self] result in
        var reading = ChannelReading(address, node: id, nodeLabel: configuration.label)
        switch result {
        case .success(let document): describe(document, in: &reading)
        case .failure(let error): reading.error = error
        }
        continuation.resume(returning: reading)
      }
    }
  }

  private func describe(_ document: ChannelDocument, in reading: inout ChannelReading) {
    reading.label = document.label.text
    reading.memberCount = document.memberCount
    reading.rights = document.member(id)?.rights
  }
}

extension ChannelDocument.Member {
  fileprivate var rights: [ChannelState.Right] {
    let granted: [(ChannelState.Right, Bool)] = [
      (.admin, isAdmin), (.messageProxy, isMessageProxy), (.dataProxy, isDataProxy), (.public, isPublic),
    ]
    return granted.filter(\.1).map(\.0)
  }

  fileprivate var entry: ChannelReading.Entry { ChannelReading.Entry(node: node, label: label.text) }
}

extension ChannelSummary.Member {
  fileprivate var state: ChannelState.Member {
    ChannelState.Member(
      node: node, label: label, version: software, rights: entry?.rights, isOnline: isOnline, isLinked: isLinked,
      refuses: refuses)
  }
}
