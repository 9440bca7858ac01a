package import Primitives

/// A joined channel, its document and its members, as the node that joined it knows them.
package struct ChannelState: Hashable, Sendable {
  /// A right of a member, as the channel's document states it.
  package enum Right: String, Hashable, Sendable, CaseIterable {
    case admin
    case messageProxy
    case dataProxy
    case `public`

    /// The right in words.
    package var text: String {
      switch self {
      case .messageProxy: "message proxy"
      case .dataProxy: "data proxy"
      case .admin, .public: rawValue
      }
    }
  }

  /// Another node of the channel.
  package struct Member: Hashable, Sendable {
    package var node: NodeID
    /// The name that it has stated, or else the one in the document.
    package var label: String
    /// Name and version of its software; empty unless it is linked.
    package var version: String
    /// Its rights in the channel's document; nil if it is not listed there, and in a channel by name.
    package var rights: [Right]?
    package var isOnline: Bool
    package var isLinked: Bool
    /// Whether it said, when it was last asked, that this node may not ask it.
    package var refuses: Bool

    package init(
      node: NodeID, label: String, version: String, rights: [Right]?, isOnline: Bool, isLinked: Bool, refuses: Bool
    ) {
      self.node = node
      self.label = label
      self.version = version
      self.rights = rights
      self.isOnline = isOnline
      self.isLinked = isLinked
      self.refuses = refuses
    }
  }

  package var channel: JoinedChannel
  /// Whether everyone who knows the name is a member: the channel has no document.
  package var isByName: Bool
  /// The channel's label, according to its document; empty if there is none.
  package var label = ""
  /// Whether the channel's document is known. It may be a copy that an earlier run has kept.
  package var hasDocument = false
  /// This node's rights in the document; nil if it is not listed there.
  package var rights: [Right]?
  /// Seconds since the document was last read from its source; nil if it was not since the daemon's start.
  package var lastReadAge: Int?
  /// Why the latest attempt to read the document failed; nil if it did not.
  package var problem: String?
  /// How many other nodes are known to be members.
  package var memberCount = 0
  package var onlineCount = 0
  /// The other members that are online, or all, as the reader has asked.
  package var members: [Member] = []

  package init(_ channel: JoinedChannel, isByName: Bool) {
    self.channel = channel
    self.isByName = isByName
  }

  /// What this node is in the channel, in words.
  package var ownState: String {
    if isByName { return "member" }
    guard hasDocument else { return "unknown" }
    return Self.text(of: rights)
  }

  /// What a node with these rights is in a channel's document, in words; nil stands for one that it does not list.
  package static func text(of rights: [Right]?) -> String {
    rights.map { (["listed"] + $0.map(\.text)).joined(separator: ", ") } ?? "not listed"
  }

  /// When the document was last read, in words; nil in a channel by name.
  package var lastRead: String? {
    guard !isByName else { return nil }
    if let lastReadAge { return "\(Quantity.age(lastReadAge)) ago" }
    return hasDocument ? "before the start" : "never"
  }
}

extension ChannelState {
  package var json: JSONValue {
    var fields = channel.json.object ?? [:]
    fields["kind"] = .string(isByName ? "name" : "list")
    fields["channelLabel"] = .string(label)
    fields["isListed"] = isByName || !hasDocument ? .null : .bool(rights != nil)
    fields["rights"] = Self.json(of: rights)
    fields["secondsSinceRead"] = lastReadAge.map { .integer(Int64($0)) } ?? .null
    fields["problem"] = problem.map { .string($0) } ?? .null
    fields["memberCount"] = .integer(Int64(memberCount))
    fields["onlineCount"] = .integer(Int64(onlineCount))
    fields["members"] = .array(members.map(\.json))
    return .object(fields)
  }

  /// Reads an element of a daemon's answer.
  package init(json: JSONValue) throws(KacheryError) {
    let fields = try JSONFields(json, named: "a channel in the daemon's answer")
    guard let channel = JoinedChannel.list(from: ["joinedChannels": [json]]).first else {
      throw KacheryError(.protocolViolation, "A channel in the daemon's answer has no address.")
    }
    self.init(channel, isByName: try fields.string("kind") == "name")
    label = try fields.optionalString("channelLabel") ?? ""
    let isListed = try fields.optionalBool("isListed")
    hasDocument = isListed != nil
    rights = isListed == true ? Self.rights(in: json) ?? [] : nil
    lastReadAge = try fields.optionalUnsigned("secondsSinceRead").map { Int(clamping: $0) }
    problem = try fields.optionalString("problem")
    memberCount = Int(clamping: try fields.unsigned("memberCount"))
    onlineCount = Int(clamping: try fields.unsigned("onlineCount"))
    members = []
    for element in json["members"]?.array ?? [] { members.append(try Member(json: element)) }
  }

  static func json(of rights: [Right]?) -> JSONValue { rights.map { .array($0.map { .string($0.rawValue) }) } ?? .null }

  /// Later daemons may know more rights, which are skipped.
  static func rights(in json: JSONValue) -> [Right]? {
    json["rights"]?.array.map { rights in rights.compactMap { $0.string.flatMap { Right(rawValue: $0) } } }
  }
}

extension ChannelState.Member {
  /// Its name for people: its label, or else the beginning of its ID.
  package var name: String { label.isEmpty ? node.short : label }

  /// What it does in the channel, in words.
  package var stateText: String {
    let state = isLinked ? "linked" : isOnline ? "on line, not linked" : "not on line"
    return refuses ? "\(state), refuses: this node is not in its list" : state
  }

  package var json: JSONValue {
    [
      "nodeId": .string(node.hex), "label": .string(label), "version": .string(version),
      "rights": ChannelState.json(of: rights), "isOnline": .bool(isOnline), "isLinked": .bool(isLinked),
      "refuses": .bool(refuses),
    ]
  }

  /// Reads a member of a channel in a daemon's answer.
  package init(json: JSONValue) throws(KacheryError) {
    let fields = try JSONFields(json, named: "a member in the daemon's answer")
    self.init(
      node: try fields.fixed("nodeId"), label: try fields.optionalString("label") ?? "",
      version: try fields.optionalString("version") ?? "", rights: ChannelState.rights(in: json),
      isOnline: try fields.optionalBool("isOnline") ?? false, isLinked: try fields.optionalBool("isLinked") ?? false,
      refuses: try fields.optionalBool("refuses") ?? false)
  }
}
