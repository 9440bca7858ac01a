import APIModel
import Invitations
import Primitives
import Process

/// Follows an invite: joins its channel, and waits until its members can be met.
struct Following {
  /// How often the daemon is asked how far it is.
  private static let period: Duration = .milliseconds(300)
  /// How often the channel's document is read while this node is not listed, in seconds.
  private static let refreshPeriod = 10.0
  /// How long members and bootstrap nodes may take to answer, in seconds.
  private static let patience = 60.0
  /// How long members have to appear once a bootstrap node is reached, in seconds.
  private static let memberPatience = 3.0

  private let invite: Invite
  private let waits: Bool
  private var status: StatusLine

  /// - Throws: if the text is no invite, if it has expired, or if this program does not join the channel in it.
  init(_ text: String, _ arguments: Arguments) throws(KacheryError) {
    invite = try Invite(text)
    waits = !arguments.has("--no-wait")
    status = StatusLine(isQuiet: arguments.has("--quiet"))
    if let expires = invite.expires, invite.hasExpired(at: .now) {
      throw KacheryError(.forbidden, "The invite expired on \(Self.date(expires)); ask for a new one.")
    }
    try JoinedChannel.requireJoinable(invite.channel)
    guard !Self.isLocal(invite.channel) else {
      throw KacheryError(
        .badRequest, "The invite names a file, '\(invite.channel)', as the list of members; an invite cannot do that.")
    }
  }

  /// Whether the address is a path of one machine.
  static func isLocal(_ address: ByteString) -> Bool {
    ["/", "./", "../", "file:"].contains { address.text.begins(with: $0) }
  }

  /// A date and time of day in UTC, for people.
  static func date(_ seconds: UInt64) -> String {
    "\(Day(seconds: Int(clamping: seconds))) UTC"
  }

  mutating func run() throws(KacheryError) -> ExitCode {
    let name = JoinedChannel.shown(invite.channel)
    Interruption.expect(advice: "The channel \(name) stays joined; 'kachery channel leave' leaves it.")
    let client = try DaemonClient.require()
    try join(client, name)
    defer { status.clear() }
    try waitUntilListed(client)
    guard waits else { return .done }
    return try waitForOthers(client)
  }

  private mutating func join(_ client: DaemonClient, _ name: String) throws(KacheryError) {
    var channels = try Command.joinedChannels(client)
    let index = channels.firstIndex { $0.address == invite.channel }
    var channel = index.map { channels[$0] } ?? JoinedChannel(address: invite.channel)
    // Those of a newer invite first: there is room for few.
    channel.bootstraps = invite.bootstraps + channel.bootstraps.filter { !invite.bootstraps.contains($0) }
    if let index { channels[index] = channel } else { channels.append(channel) }
    try Command.setJoinedChannels(channels, client)
    status.note(index == nil ? "Joined the channel \(name)." : "The channel \(name) was joined already.")
    guard !invite.bootstraps.isEmpty else { return }
    if client.isRemote {
      status.note("Its bootstrap nodes can be added only on the daemon's own machine.")
    } else {
      status.note("Its members meet at \(invite.bootstraps.map(\.description).joined(separator: ", ")).")
    }
  }

  private func state(_ client: DaemonClient, refreshes: Bool = false) throws(KacheryError) -> MeetingState {
    try client.meeting(in: invite.channel, refreshes: refreshes)
  }

  /// Waits until the channel's document lists this node. Returns immediately if the channel has none.
  private mutating func waitUntilListed(_ client: DaemonClient) throws(KacheryError) {
    var refreshedAt = SteadyClock.seconds
    var current = try state(client, refreshes: true)
    var problem: String?
    var isExplained = false
    while let channel = current.channel, channel.membership == .notListed || channel.membership == .unread {
      if channel.membership == .unread {
        if let reason = channel.problem, problem != reason {
          problem = reason
          status.note("The list of members cannot be read: \(reason)")
        }
      } else if !isExplained {
        isExplained = true
        explain(current)
      }
      guard waits else { return }
      status.show(
        channel.membership == .unread
          ? "Waiting for the channel's list of members …" : "Waiting until the channel's keeper has added this node …")
      SteadyClock.sleep(for: Self.period)
      let isDue = SteadyClock.seconds - refreshedAt >= Self.refreshPeriod
      if isDue { refreshedAt = SteadyClock.seconds }
      current = try state(client, refreshes: isDue)
    }
    if current.channel?.membership == .listed { status.note("The channel's list contains this node.") }
  }

  /// Shows what the keeper of the list has to add, in the form of the list.
  private mutating func explain(_ state: MeetingState) {
    status.note("The channel has a list of members, which does not contain this node yet. Send its keeper these lines:")
    status.clear()
    // The result: it can be piped into a mail.
    Console.results(["authorizedNodes:"] + ChannelCheck.entry(of: state.node, labeled: state.label))
  }

  private mutating func waitForOthers(_ client: DaemonClient) throws(KacheryError) -> ExitCode {
    let start = SteadyClock.seconds
    var metAt: Double?
    while true {
      let current = try state(client)
      let members = (current.channel?.direct ?? 0) + (current.channel?.relayed ?? 0)
      guard members == 0 else {
        status.note("Linked to \(members) other member\(members == 1 ? "" : "s").")
        return .done
      }
      let now = SteadyClock.seconds
      if let bootstrap = current.bootstraps.first(where: { $0.linkedBy != nil }) {
        metAt = metAt ?? now
        if let metAt, now - metAt >= Self.memberPatience {
          let label = bootstrap.label.isEmpty ? "" : " (\(bootstrap.label))"
          status.note("Reached the bootstrap node \(bootstrap.address)\(label); no other member is online.")
          return .done
        }
      } else if current.isBootstrap, current.bootstraps.isEmpty {
        status.note("This node is a bootstrap node; no other member is linked to it yet.")
        return .done
      }
      guard now - start < Self.patience else { throw notReached(current) }
      status.show("Waiting for other members …")
      SteadyClock.sleep(for: Self.period)
    }
  }

  private func notReached(_ state: MeetingState) -> KacheryError {
    let reason =
      state.bootstraps.isEmpty
      ? "No other member was found in the local network within \(Int(Self.patience)) s, and the invite names no "
        + "bootstrap node."
      : "Neither another member nor a bootstrap node was reached within \(Int(Self.patience)) s."
    return KacheryError(
      .unreachable,
      "\(reason) The channel stays joined, and the daemon keeps trying; 'kachery doctor' shows what the network allows."
    )
  }
}
