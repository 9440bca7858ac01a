import APIModel
import Files
import Invitations
import Primitives

extension Command {
  /// `kachery channel join`
  static let channelJoin = Command(
    name: "channel join", usage: "NAME-OR-URL",
    summary: "Joins a channel: shares files with its members.",
    details: """
      A channel is a name that its members agree on, or the address (http, https or a file) of a document that lists
      them. Anyone who can guess the name can join. A document is read first: if that fails, the channel is joined only
      with --force, and the daemon tries again every 3 minutes. An invite joins as 'kachery join' does.
      """,
    options: [
      Option("--message-proxy", nil, "relay messages, and files slowly, between members that cannot reach each other"),
      Option("--data-proxy", nil, "relay everything between members that cannot reach each other"),
      Option("--public", nil, "serve nodes that are not authorized, if the channel's document allows it"),
      Option("--force", nil, "join even if the document cannot be read now"),
      noWait,
    ],
    examples: ["kachery-p2p-join-channel our-lab-7f3a9c", "kachery-p2p-join-channel https://example.org/channel.yaml"],
    run: { (arguments) throws(KacheryError) in
      let operand = try arguments.operand("channel's name or address")
      guard !Invite.isMeant(by: operand) else { return try Command.follow(operand, arguments) }
      let given = absolute(operand)
      let address = JoinedChannel.followingLatest(given)
      if address != given {
        Console.note("The address names one revision of a gist; following the latest revision instead.")
      }
      try JoinedChannel.requireJoinable(address)
      let client = try DaemonClient.require()
      var channel = JoinedChannel(
        address: address, isMessageProxy: arguments.has("--message-proxy"), isDataProxy: arguments.has("--data-proxy"),
        isPublic: arguments.has("--public"))
      var channels = try joinedChannels(client)
      let index = channels.firstIndex { $0.address == address }
      // A published name joins whatever the document says, as it always has.
      let check = arguments.isPublishedCall ? nil : try ChannelCheck(address, client)
      if let error = check?.error, index == nil, !arguments.has("--force") { throw ChannelCheck.notJoined(error) }
      // Those of an invite stay.
      if let index { channel.bootstraps = channels[index].bootstraps }
      if let index { channels[index] = channel } else { channels.append(channel) }
      try setJoinedChannels(channels, client)
      if arguments.isPublishedCall {
        Console.result(index == nil ? "Joined channel" : "Updated existing channel configuration")
        for line in (try? ChannelCheck(address, client, patience: .seconds(5)))?.warnings(of: channel) ?? [] {
          Console.note(line)
        }
      } else {
        let name = JoinedChannel.shown(address)
        Console.note(index == nil ? "Joined the channel \(name)." : "Updated the channel \(name).")
        for line in check?.lines(of: channel) ?? [] { Console.note(line) }
        noteFile(named: given)
        noteConfinement(to: address, client)
      }
      return .done
    })

  /// Says what helps if this node will meet no node from outside its local network.
  private static func noteConfinement(to address: ByteString, _ client: DaemonClient) {
    guard (try? client.meeting(in: address))?.isConfinedToLocalNetwork == true else { return }
    Console.note("\(ErrorExplanation.noBootstrapNode), or join by an invite.")
  }

  /// `kachery channel leave`
  static let channelLeave = Command(
    name: "channel leave", usage: "NAME-OR-URL", summary: "Leaves a channel.",
    examples: ["kachery-p2p-leave-channel our-lab-7f3a9c"],
    run: { (arguments) throws(KacheryError) in
      let given = JoinedChannel.followingLatest(absolute(try arguments.operand("channel's name or address")))
      let client = try DaemonClient.require()
      let channels = try joinedChannels(client)
      let isMeant = { (channel: JoinedChannel) in channel.address == given }
      let isWritten = { (channel: JoinedChannel) in JoinedChannel.encoded(channel.address) == given }
      guard let address = (channels.first(where: isMeant) ?? channels.first(where: isWritten))?.address else {
        throw KacheryError(.notFound, "This node has not joined the channel \(given); see kachery-p2p-get-channels.")
      }
      try setJoinedChannels(channels.filter { $0.address != address }, client)
      if arguments.isPublishedCall {
        Console.result("Left channel: \(address)")
      } else {
        Console.note("Left the channel \(JoinedChannel.shown(address)).")
      }
      return .done
    })

  /// A name that is also that of a file here was probably meant as the file.
  private static func noteFile(named name: ByteString) {
    guard !name.text.contains(bytesOf: "://"), !name.text.begins(with: "/"),
      (try? FileSystem.statusIfPresent(name.text)) ?? nil != nil
    else { return }
    Console.note("'\(name)' is the channel's name, not the file of that name in this folder, which is ./\(name).")
  }

  /// The absolute form of a relative path: the daemon has another working directory.
  static func absolute(_ address: String) -> ByteString {
    guard address.begins(with: "./") || address.begins(with: "../"), let path = try? FileSystem.resolved(address) else {
      return ByteString(address)
    }
    return ByteString(path)
  }

  static func joinedChannels(_ client: DaemonClient) throws(KacheryError) -> [JoinedChannel] {
    let answer = try client.post("/mutable/get", ["key": JoinedChannel.mutableKey])
    return JoinedChannel.list(from: answer["value"])
  }

  static func setJoinedChannels(_ channels: [JoinedChannel], _ client: DaemonClient) throws(KacheryError) {
    let answer = try client.post(
      "/mutable/set", ["key": JoinedChannel.mutableKey, "value": JoinedChannel.value(of: channels)])
    guard answer["success"]?.bool == true else {
      throw KacheryError(.internalError, "The daemon did not save the change.")
    }
  }
}
