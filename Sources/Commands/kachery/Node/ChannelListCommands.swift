import APIModel
import Primitives

extension Command {
  /// `kachery channel list`
  static let channelList = Command(
    name: "channel list", usage: "", summary: "Lists the channels that this node has joined, and their members.",
    details: """
      For each channel: whether everyone who knows its name is a member or its document lists them, what this node is
      there, when the document was last read, how many other members are known, and how many are on line. Then the
      members that are on line, with the version of their software.
      """,
    options: [Option("--all", nil, "list the members that are not on line as well"), json],
    examples: ["kachery channel list"],
    run: { (arguments) throws(KacheryError) in
      let client = try DaemonClient.require()
      guard !arguments.isPublishedCall else { return listAsPublished(try joinedChannels(client), arguments) }
      let isForPrograms = arguments.has("--json")
      let body: JSONValue = ["allMembers": .bool(isForPrograms || arguments.has("--all"))]
      let elements = try client.post("/v1/channels", body)["channels"]?.array ?? []
      guard !isForPrograms else {
        Console.result(JSONValue.array(elements).compact)
        return .done
      }
      var states: [ChannelState] = []
      for element in elements { states.append(try ChannelState(json: element)) }
      let list = ChannelList(states: states)
      Console.results(list.lines)
      for note in list.notes { Console.note(note) }
      return .done
    })

  /// The lines of the published command, which scripts compare.
  private static func listAsPublished(_ channels: [JoinedChannel], _ arguments: Arguments) -> ExitCode {
    guard !arguments.has("--json") else {
      Console.result(JSONValue.array(channels.map(\.json)).compact)
      return .done
    }
    for channel in channels {
      let marks = channel.offers.map { "(\($0))" }
      // The published command writes the space even if nothing follows.
      Console.result("\(channel.address.text) \(marks.joined(separator: " "))".printable)
    }
    return .done
  }

  /// `kachery channel reload`
  static let channelReload = Command(
    name: "channel reload", usage: "[NAME-OR-URL]",
    summary: "Reads the documents of the joined channels again now, and says what has changed.",
    details: """
      The daemon does so itself every 3 minutes. A node that a document no longer lists loses its access to this one at
      once; to each other member when that one reads the document.
      """,
    options: [json], examples: ["kachery channel reload", "kachery channel reload https://example.org/channel.yaml"],
    run: { (arguments) throws(KacheryError) in
      let name = arguments.operands.isEmpty ? nil : try arguments.operand("channel")
      let client = try DaemonClient.require()
      let body: JSONValue = name.map { ["channel": .string(absolute($0).text)] } ?? [:]
      let elements = try client.post("/v1/channels/reload", body)["channels"]?.array ?? []
      guard !arguments.has("--json") else {
        Console.result(JSONValue.array(elements).compact)
        return elements.contains { $0["code"]?.string != nil } ? .failed : .done
      }
      var code = ExitCode.done
      for element in elements {
        let reading = try ChannelReading(json: element)
        if let error = reading.error { code = ExitCode(error) }
        Console.results(ChannelList.lines(of: reading))
      }
      if elements.isEmpty { Console.note("No joined channel has a document.") }
      return code
    })
}
