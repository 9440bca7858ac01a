import APIModel
import Primitives

/// What the daemon finds at a channel's address before, or after, the channel is joined.
struct ChannelCheck {
  private let reading: ChannelReading?

  /// Has the daemon read the document at an address. A name has none.
  ///
  /// - Parameter patience: how long to wait for the document.
  /// - Throws: if the daemon refuses; a document that cannot be read is in `error`.
  init(_ address: ByteString, _ client: DaemonClient, patience: Duration = .seconds(20)) throws(KacheryError) {
    guard address.text.begins(with: "/") || address.text.contains(bytesOf: "://") else {
      reading = nil
      return
    }
    do throws(KacheryError) {
      let answer = try client.post(
        "/v1/channels/check", ["channel": .string(address.text)], timeout: patience)
      reading = try ChannelReading(json: answer)
    } catch {
      guard error.code == .timedOut else { throw error }
      var late = ChannelReading(address, node: client.probe.node, nodeLabel: "")
      late.error = KacheryError(
        .timedOut, "\(address) has not answered within \(patience.components.seconds) s.")
      reading = late
    }
  }

  /// Why the document could not be read; nil if it was, or if there is none.
  var error: KacheryError? { reading?.error }

  /// The error if the channel is not joined because of this one.
  static func notJoined(_ error: KacheryError) -> KacheryError {
    let reason = error.message.ends(with: ".") ? error.message : "\(error.message)."
    return KacheryError(
      error.code,
      "The channel was not joined, because its document cannot be read: \(reason) Correct the address, or join it "
        + "anyway with --force: the daemon then tries again every 3 minutes.", cause: error)
  }

  /// What to say after the channel was joined.
  func lines(of channel: JoinedChannel) -> [String] {
    let warnings = warnings(of: channel)
    guard warnings.isEmpty, let reading, let rights = reading.rights else { return warnings }
    let granted = rights.isEmpty ? "" : " (\(rights.map(\.text).joined(separator: ", ")))"
    let others = reading.memberCount - 1
    return ["Its document lists this node\(granted) and \(others) other\(others == 1 ? "" : "s")."]
  }

  /// What is wrong.
  func warnings(of channel: JoinedChannel) -> [String] {
    guard let reading else { return [] }
    if let error = reading.error {
      return [
        "Its document cannot be read now: \(error.message)",
        "The daemon tries again every 3 minutes; kachery channel list shows whether it has succeeded.",
      ]
    }
    guard let rights = reading.rights else { return Self.howToBeListed(reading) }
    let wanted: [(option: String, field: String, isWanted: Bool, right: ChannelState.Right)] = [
      ("--message-proxy", "isMessageProxy", channel.isMessageProxy && !channel.isDataProxy, .messageProxy),
      ("--data-proxy", "isDataProxy", channel.isDataProxy, .dataProxy),
      ("--public", "isPublic", channel.isPublic, .public),
    ]
    return wanted.filter { $0.isWanted && !rights.contains($0.right) }.map { option, field, _, _ in
      "\(option) has no effect yet: this node's entry in the document lacks \(field): true."
    }
  }

  /// What the channel's keeper has to add.
  static func howToBeListed(_ reading: ChannelReading) -> [String] {
    [
      "Its document does not list this node, so its members refuse it. Ask the channel's keeper to add:"
    ] + entry(of: reading.node, labeled: reading.nodeLabel)
  }

  /// The lines of a node in a channel's document.
  static func entry(of node: NodeID, labeled label: String) -> [String] {
    ["  - nodeId: \(node.hex)", "    nodeLabel: \(JSONValue.string(label).compact)"]
  }
}
