package import Primitives

/// A channel that the user has joined, in the form that clients use: `{"channelConfigUrl", "isMessageProxy", …}`.
package struct JoinedChannel: Hashable, Sendable {
  /// The key of the mutable that stores the joined channels.
  package static let mutableKey: JSONValue = "_joined_channels_config"

  /// The address of the channel's document, or the channel's name. Compared by bytes, because nodes derive the
  /// channel's topic from the bytes.
  package var address: ByteString
  package var isMessageProxy: Bool
  package var isDataProxy: Bool
  package var isPublic: Bool
  /// Whether a client on another machine has joined it: its document is then fetched from public addresses only.
  package var isJoinedRemotely = false
  /// The bootstrap nodes that were named when the channel was joined, as in an invite; they are left with the channel.
  package var bootstraps: [Address] = [] {
    didSet { bootstraps = Array(bootstraps.prefix(Self.maximumBootstraps)) }
  }

  /// Most bootstrap nodes that may be named with a channel: the node dials all of them.
  package static let maximumBootstraps = 16

  /// What this node's owner lets it do there, besides what the channel's document says: the names of the options.
  package var offers: [String] {
    [isMessageProxy ? "message-proxy" : nil, isDataProxy ? "data-proxy" : nil, isPublic ? "public" : nil]
      .compactMap { $0 }
  }

  package init(address: ByteString, isMessageProxy: Bool = false, isDataProxy: Bool = false, isPublic: Bool = false) {
    self.address = address
    self.isMessageProxy = isMessageProxy
    self.isDataProxy = isDataProxy
    self.isPublic = isPublic
  }

  /// The channel in the form that clients use.
  package var json: JSONValue {
    var fields: JSONObject = [
      "channelConfigUrl": .string(address.text), "isMessageProxy": .bool(isMessageProxy),
      "isDataProxy": .bool(isDataProxy),
      "isPublic": .bool(isPublic),
    ]
    if isJoinedRemotely { fields["isJoinedRemotely"] = true }
    if !bootstraps.isEmpty { fields["bootstraps"] = .array(bootstraps.map { .string($0.description) }) }
    return .object(fields)
  }

  /// Reads the value of the mutable that stores the joined channels. Skips entries without an address.
  package static func list(from value: JSONValue?) -> [JoinedChannel] {
    (value?["joinedChannels"]?.array ?? []).compactMap { entry in
      guard let address = entry["channelConfigUrl"]?.string, !address.isEmpty else { return nil }
      var channel = JoinedChannel(
        address: ByteString(address), isMessageProxy: entry["isMessageProxy"]?.bool ?? false,
        isDataProxy: entry["isDataProxy"]?.bool ?? false, isPublic: entry["isPublic"]?.bool ?? false)
      channel.isJoinedRemotely = entry["isJoinedRemotely"]?.bool ?? false
      channel.bootstraps = (entry["bootstraps"]?.array ?? []).compactMap { address in
        address.string.flatMap { Address(bootstrap: $0) }
      }
      return channel
    }
  }

  /// The value of the mutable that stores the joined channels.
  package static func value(of channels: [JoinedChannel]) -> JSONValue {
    ["joinedChannels": .array(channels.map(\.json))]
  }

  /// The address; if it names one revision of a gist, the address of the latest revision, as older clients use.
  package static func followingLatest(_ address: ByteString) -> ByteString {
    guard address.text.begins(with: "https://gist.githubusercontent.com/") else { return address }
    // https: / "" / host / user / gist / raw / revision / file
    var parts = address.text.parts(separatedBy: "/")
    guard parts.count == 8, parts[5] == "raw" else { return address }
    parts.remove(at: 6)
    return ByteString(parts.joined(separator: "/"))
  }
}
