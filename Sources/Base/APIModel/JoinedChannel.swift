package import Primitives

/// A channel that the user has joined, as clients write it: `{"channelConfigUrl", "isMessageProxy", …}`.
package struct JoinedChannel: Hashable, Sendable {
  /// The key of the mutable that holds all of them.
  package static let mutableKey: JSONValue = "_joined_channels_config"

  /// The address of the channel's document, or the channel's name.
  package var address: String
  package var isMessageProxy: Bool
  package var isDataProxy: Bool
  package var isPublic: Bool

  package init(address: String, isMessageProxy: Bool = false, isDataProxy: Bool = false, isPublic: Bool = false) {
    self.address = address
    self.isMessageProxy = isMessageProxy
    self.isDataProxy = isDataProxy
    self.isPublic = isPublic
  }

  /// The channel as clients write it.
  package var json: JSONValue {
    [
      "channelConfigUrl": .string(address), "isMessageProxy": .bool(isMessageProxy), "isDataProxy": .bool(isDataProxy),
      "isPublic": .bool(isPublic),
    ]
  }

  /// Reads the value of the mutable that holds all joined channels. An entry without an address is passed over.
  package static func list(from value: JSONValue?) -> [JoinedChannel] {
    (value?["joinedChannels"]?.array ?? []).compactMap { entry in
      guard let address = entry["channelConfigUrl"]?.string, !address.isEmpty else { return nil }
      return JoinedChannel(
        address: address, isMessageProxy: entry["isMessageProxy"]?.bool ?? false,
        isDataProxy: entry["isDataProxy"]?.bool ?? false, isPublic: entry["isPublic"]?.bool ?? false)
    }
  }

  /// The value of the mutable that holds all joined channels.
  package static func value(of channels: [JoinedChannel]) -> JSONValue {
    ["joinedChannels": .array(channels.map(\.json))]
  }

  /// The address with a gist that is pinned to a revision turned into one that follows the latest, as older clients did.
  package static func followingLatest(_ address: String) -> String {
    guard address.hasPrefix("https://gist.githubusercontent.com/") else { return address }
    // https: / "" / host / user / gist / raw / revision / file
    var parts = address.split(separator: "/", omittingEmptySubsequences: false)
    guard parts.count == 8, parts[5] == "raw" else { return address }
    parts.remove(at: 6)
    return parts.joined(separator: "/")
  }
}
