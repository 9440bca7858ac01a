import APIModel
import Invitations
import Primitives
import Process

extension Command {
  /// `kachery invite`
  static let invite = Command(
    name: "invite", usage: "[CHANNEL]", summary: "Prints a line with which others join a channel.",
    details: """
      The line contains the channel's name or address and the bootstrap nodes at which its members meet; 'kachery join'
      follows it. Anyone who has the line of a channel without a list of members can join: send it as you would send a
      password. --expires makes 'kachery join' refuse it after that time; the name in it stays valid.
      """,
    options: [
      Option("--bootstrap", "HOST:PORT", "name this bootstrap node instead of those that the daemon uses; repeatable"),
      Option("--expires", "TIME", "when it ends, from now: 12h, 7d, 2w"), json, quiet,
    ],
    examples: ["kachery invite", "kachery invite our-lab-7f3a9c --expires 7d"],
    run: { (arguments) throws(KacheryError) in
      let client = try DaemonClient.require()
      let channel = try channelToShare(arguments, try joinedChannels(client))
      let expires = try arguments.expiry()
      let state = try client.meeting(in: channel)
      let invite = try Invite(
        channel: channel, bootstraps: try bootstraps(arguments, state), expires: expires)
      if arguments.has("--json") {
        Console.result(
          ([
            "invite": .string(invite.line), "channel": .string(channel.text),
            "bootstraps": .array(invite.bootstraps.map { .string($0.description) }),
            "expires": expires.map { .integer(Int64(clamping: $0)) } ?? .null,
          ] as JSONValue).compact)
        return .done
      }
      Console.result(invite.line)
      if !arguments.has("--quiet") { for note in notes(on: invite, state) { Console.note(note) } }
      return .done
    })

  /// The channel that the operand names, or the only one.
  private static func channelToShare(
    _ arguments: Arguments, _ joined: [JoinedChannel]
  ) throws(KacheryError) -> ByteString {
    guard !arguments.operands.isEmpty else {
      guard let only = joined.first else {
        throw KacheryError(.noChannel, "This node has joined no channel; join one with 'kachery channel join NAME'.")
      }
      guard joined.count == 1 else {
        let names = joined.map { JoinedChannel.shown($0.address) }.joined(separator: ", ")
        throw KacheryError(.badRequest, "This node has joined several channels; name one of them: \(names).")
      }
      return try shareable(only.address)
    }
    let given = ByteString(try arguments.operand("channel"))
    let match = joined.first { $0.address == given } ?? joined.first { JoinedChannel.encoded($0.address) == given }
    guard let match else {
      throw KacheryError(.notFound, "This node has not joined the channel \(given); see 'kachery channel list'.")
    }
    return try shareable(match.address)
  }

  private static func shareable(_ address: ByteString) throws(KacheryError) -> ByteString {
    guard !Following.isLocal(address) else {
      throw KacheryError(
        .badRequest,
        "The channel's document is a file of this machine, which others cannot read: publish it at an address.")
    }
    return address
  }

  private static func bootstraps(_ arguments: Arguments, _ state: MeetingState) throws(KacheryError) -> [Address] {
    let given = try arguments.bootstraps()
    guard given.isEmpty else { return given }
    return Array(state.meetingPoints(own: maximumOwnAddresses).prefix(Invite.maximumBootstraps))
  }

  /// Most addresses of this node itself: each that does not answer delays a newcomer.
  private static let maximumOwnAddresses = 4

  /// What its owner should know about the invite.
  private static func notes(on invite: Invite, _ state: MeetingState) -> [String] {
    let name = JoinedChannel.shown(invite.channel)
    let isByName = state.channel?.membership == .byName
    var notes = [
      isByName
        ? "Anyone who has this line can join the channel \(name) and load its files: keep it as secret as a password."
        : "This line admits nobody by itself: the keeper of \(name) adds each new node to its list of members."
    ]
    if let expires = invite.expires {
      notes.append(
        "'kachery join' accepts it until \(Following.date(expires))."
          + (isByName ? " The channel's name, which it contains, stays valid." : ""))
    }
    if invite.bootstraps.isEmpty, isByName {
      notes.append(
        "It names no bootstrap node, because this node uses none: it works within one local network. Name one with "
          + "--bootstrap HOST:PORT.")
    } else if !invite.bootstraps.isEmpty, invite.bootstraps.allSatisfy(isInLocalNetwork) {
      notes.append("The bootstrap nodes in it are reached from the local network only.")
    }
    return notes
  }

  private static func isInLocalNetwork(_ address: Address) -> Bool {
    let host = address.tcpEndpoint?.host ?? address.webSocketEndpoint?.host ?? ""
    return IPAddress(host).map { $0.scope != .global } ?? false
  }
}

extension Arguments {
  /// The bootstrap nodes that the option names.
  func bootstraps() throws(KacheryError) -> [Address] {
    var addresses: [Address] = []
    for text in allValues("--bootstrap") {
      guard let address = Address(bootstrap: text) else {
        throw KacheryError(.badRequest, "--bootstrap: '\(text)' is not an address; write HOST:PORT or wss://HOST.")
      }
      if !addresses.contains(address) { addresses.append(address) }
    }
    return addresses
  }

  /// When `--expires` ends, in seconds since 1970; nil if it is not given.
  fileprivate func expiry() throws(KacheryError) -> UInt64? {
    guard let text = value("--expires") else { return nil }
    let units: [UInt8: UInt64] = [
      UInt8(ascii: "m"): 60, UInt8(ascii: "h"): 3_600, UInt8(ascii: "d"): 86_400, UInt8(ascii: "w"): 604_800,
    ]
    guard let unit = text.utf8.last.flatMap({ units[$0] }), let count = UInt64(text.prefix(bytes: text.utf8.count - 1)),
      count > 0, count <= 100_000
    else {
      throw KacheryError(.badRequest, "--expires: '\(text)' is not a time; write 30m, 12h, 7d or 2w.")
    }
    return WallTime.now.milliseconds / 1_000 + count * unit
  }
}
