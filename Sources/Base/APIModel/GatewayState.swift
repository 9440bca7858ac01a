package import Primitives

/// A node's gateway: where it is, and what it serves.
package struct GatewayState: Hashable, Sendable {
  /// A channel that is named for it.
  package struct Channel: Hashable, Sendable {
    /// Its name, address or label, as the owner has written it; nil for those who may not know it.
    package var name: String?
    /// Whether files of it are served, because this node is a member of it.
    package var isServed: Bool

    package init(name: String?, isServed: Bool) {
      self.name = name
      self.isServed = isServed
    }
  }

  /// Where it listens.
  package var endpoint: Endpoint
  package var channels: [Channel]

  package init(endpoint: Endpoint, channels: [Channel]) {
    self.endpoint = endpoint
    self.channels = channels
  }

  /// The same for those who may not know the names of channels.
  package var withoutNames: GatewayState {
    GatewayState(endpoint: endpoint, channels: channels.map { Channel(name: nil, isServed: $0.isServed) })
  }

  /// Whether it listens at every address of this machine.
  package var isEverywhere: Bool { IPAddress(endpoint.host)?.bytes.allSatisfy { $0 == 0 } ?? false }

  /// What it is, for people, without the names of channels.
  package var text: String {
    let served = channels.count(where: \.isServed)
    let all = "\(channels.count) channel\(channels.count == 1 ? "" : "s")"
    let what =
      if channels.isEmpty {
        "serves nothing: no channel is named for it"
      } else if served == 0 {
        "serves nothing: this node is \(channels.count == 1 ? "not in its channel" : "in none of its \(all)")"
      } else {
        "serves files of \(served == channels.count ? all : "\(served) of \(all)")"
      }
    return "http://\(endpoint), \(what)"
  }

  /// The names of its channels, each with what is wrong there, for people.
  package var channelLines: [String] {
    channels.compactMap { channel in
      channel.name.map { name in
        JoinedChannel.shown(ByteString(name)) + (channel.isServed ? "" : ": this node is not a member")
      }
    }
  }
}

extension GatewayState {
  package var json: JSONValue {
    [
      "address": .string(endpoint.description),
      "channels": .array(
        channels.map { ["name": $0.name.map { .string($0) } ?? .null, "isServed": .bool($0.isServed)] }),
    ]
  }

  /// Reads the field `gateway` of a daemon's answer; nil if it is absent or null: there is no gateway.
  package init?(fieldOf answer: JSONValue) throws(KacheryError) {
    guard let value = try JSONFields(answer, named: "the daemon's answer").value("gateway") else { return nil }
    let fields = try JSONFields(value, named: "the field 'gateway'")
    let address = try fields.string("address")
    guard let endpoint = Endpoint(address) else {
      throw KacheryError(.badRequest, "'\(address)' is not an address with a port.")
    }
    guard let elements = fields.value("channels")?.array else {
      throw KacheryError(.badRequest, "The field 'channels' is not a list.")
    }
    var channels: [Channel] = []
    for element in elements {
      let channel = try JSONFields(element, named: "an element of 'channels'")
      channels.append(
        Channel(name: try channel.optionalString("name"), isServed: try channel.optionalBool("isServed") ?? false))
    }
    self.init(endpoint: endpoint, channels: channels)
  }
}

extension GatewayState {
  /// What could be better.
  var findings: [Finding] {
    guard !channels.isEmpty else {
      return [
        Finding(
          .gatewayWithoutChannel, .advice,
          "The gateway on http://\(endpoint) serves nothing, because no channel is named for it.",
          "Name one with --gateway-channel, or gatewayChannel in kachery.yaml, and restart the daemon; or remove the "
            + "gateway.")
      ]
    }
    let unserved = channels.filter { !$0.isServed }.map { channel in
      Finding(
        .gatewayChannelNotServed, .advice,
        "The gateway serves no files of \(channel.name.map { "the channel \($0)" } ?? "one of its channels"), because "
          + "this node is not a member: it has not joined the channel, or is not listed in the channel's document.",
        "Join it with kachery-p2p-join-channel, ask its owner to list this node, or take it from gatewayChannel.")
    }
    guard isEverywhere else { return unserved }
    return unserved + [
      Finding(
        .gatewayEverywhere, .advice,
        "The gateway listens at every address of this machine (\(endpoint)): whoever reaches one of them and knows the "
          + "hash of a file gets the file.",
        "If that is not meant, let it listen at one address: at 127.0.0.1 if a web server is in front of it.")
    ]
  }
}
