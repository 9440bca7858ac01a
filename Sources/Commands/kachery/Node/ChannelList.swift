import APIModel
import Primitives

/// The joined channels and their members, as lines for people.
struct ChannelList {
  let states: [ChannelState]

  /// The table of the channels, and one of the members of each.
  var lines: [String] {
    guard !states.isEmpty else { return [] }
    let table = TextTable(
      heads: ["CHANNEL", "KIND", "THIS NODE", "LAST READ", "MEMBERS", "ON LINE"],
      rows: states.map { state in
        [
          JoinedChannel.shown(state.channel.address), state.isByName ? "name" : "list",
          ([state.ownState] + state.channel.offers.map { "--\($0)" }).joined(separator: ", "), state.lastRead ?? "-",
          String(state.memberCount), String(state.onlineCount),
        ]
      })
    let members = states.filter { !$0.members.isEmpty }.flatMap { state in
      ["", "\(JoinedChannel.shown(state.channel.address)):"] + Self.table(of: state).lines.map { "  \($0)" }
    }
    return table.lines + members
  }

  private static func table(of state: ChannelState) -> TextTable {
    TextTable(
      heads: ["MEMBER", "NODE ID", "LISTED AS", "STATE", "VERSION"],
      rows: state.members.map { member in
        let listed = ChannelState.text(of: member.rights)
        return [
          member.label.isEmpty ? "-" : member.label, member.node.hex, state.isByName ? "-" : listed, member.stateText,
          member.version.isEmpty ? "-" : member.version,
        ]
      })
  }

  /// What is wrong with a channel, and what helps.
  var notes: [String] {
    guard !states.isEmpty else { return ["This node has joined no channel; join one with kachery channel join."] }
    return states.flatMap { state in
      let name = JoinedChannel.shown(state.channel.address)
      var notes: [String] = []
      if let problem = state.problem {
        let copy = state.hasDocument ? "its last good copy is in use" : "its members are unknown"
        notes.append("\(name): the document could not be read the last time, so \(copy): \(problem)")
      }
      if state.hasDocument, state.rights == nil {
        notes.append(
          "\(name): the document does not list this node; give the channel's keeper its ID (kachery node-info).")
      }
      return notes
    }
  }

  /// What came of reading a document again.
  static func lines(of reading: ChannelReading) -> [String] {
    let name = JoinedChannel.shown(reading.address)
    if let error = reading.error {
      return ["\(name): the document cannot be read, so the last good copy stays in use: \(error.message)"]
    }
    let changes = [("added", reading.added), ("removed", reading.removed), ("changed", reading.changed)].flatMap {
      word, entries in entries.map { "  \(word): \($0.text)" }
    }
    let own = reading.rights == nil ? "this node is not listed" : "this node is listed"
    let count = "\(reading.memberCount) node\(reading.memberCount == 1 ? "" : "s")"
    return ["\(name): \(changes.isEmpty ? "unchanged" : "changed"); it lists \(count); \(own)."] + changes
  }
}
