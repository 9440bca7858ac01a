import Diagnostics
import Discovery
import Files
import Primitives

/// Where the members of this node's channels were when it was last linked to them, for its next start. Readable by its
/// owner only: it says which nodes belong together. It holds neither names nor keys of channels.
struct MemberAddressFile: Sendable {
  /// More than the largest file of this version has.
  private static let maximumBytes = 4 << 20
  private static let maximumValues = 40_000
  private static let version: Int64 = 1

  private let path: String

  /// The file in this folder.
  init(in folder: String) { path = "\(folder)/members.json" }

  /// The members; empty if none have been stored. A file that cannot be used is set aside, and reported.
  func read(_ log: Log) -> [RememberedMember] {
    guard FileSystem.exists(path) else { return [] }
    do throws(KacheryError) { return try Self.members(in: try FileSystem.read(path, limit: Self.maximumBytes)) } catch {
      let aside = "\(path).damaged"
      let isAside = (try? FileSystem.rename(path, to: aside)) != nil
      log.warning(
        "The addresses of members in \(path) are not used: \(error)\(isAside ? " The file is now \(aside)." : "") "
          + "Members are found through bootstrap nodes and in the local network.")
      return []
    }
  }

  /// Stores the members in place of the earlier ones. A node that has none has no file.
  func write(_ members: [RememberedMember]) throws(KacheryError) {
    guard !members.isEmpty else {
      if FileSystem.exists(path) { try FileSystem.remove(path) }
      return
    }
    let bytes = Self.json(of: members).bytes(in: .readable) + [UInt8(ascii: "\n")]
    try FileSystem.replace(path, with: bytes, permissions: 0o600)
  }

  // MARK: The form

  static func json(of members: [RememberedMember]) -> JSONValue {
    [
      "version": .integer(version),
      "members": .array(
        members.map { member in
          [
            "nodeId": .string(member.node.hex), "topics": .array(member.topics.map { .string($0.hex) }),
            "reached": .array(member.reached.map { .string("\($0)") }),
            "named": .array(member.named.map { .string("\($0)") }),
            "linkedAtMilliseconds": .integer(Int64(clamping: member.linkedAt.milliseconds)),
          ]
        }),
    ]
  }

  /// The members in a file.
  ///
  /// - Throws: `badConfiguration`, with the reason.
  static func members(in bytes: [UInt8]) throws(KacheryError) -> [RememberedMember] {
    let document: JSONValue
    do throws(JSONError) { document = try JSONParser.parse(bytes, maximumValues: maximumValues) } catch {
      throw KacheryError(.badConfiguration, "It is damaged: \(error).", cause: error)
    }
    guard document["version"]?.integer == version else { throw damaged("it has another version") }
    guard let entries = document["members"]?.array, entries.count <= RememberedMembers.capacity else {
      throw damaged("it has no list of at most \(RememberedMembers.capacity) members")
    }
    var members: [RememberedMember] = []
    for entry in entries { members.append(try member(entry)) }
    return members
  }

  private static func member(_ entry: JSONValue) throws(KacheryError) -> RememberedMember {
    guard let node = entry["nodeId"]?.string.flatMap({ NodeID(hex: $0) }) else { throw damaged("a node ID is wrong") }
    guard let topics = entry["topics"]?.array, (1...RememberedMembers.topicsOfMember).contains(topics.count) else {
      throw damaged("the number of channels of a member is wrong")
    }
    var known: [Topic] = []
    for topic in topics {
      guard let topic = topic.string.flatMap({ Topic(hex: $0) }) else { throw damaged("a topic is wrong") }
      known.append(topic)
    }
    guard let time = entry["linkedAtMilliseconds"]?.unsigned else { throw damaged("a time is wrong") }
    return RememberedMember(
      node: node, topics: known, reached: try addresses(entry["reached"]), named: try addresses(entry["named"]),
      linkedAt: WallTime(milliseconds: time))
  }

  private static func addresses(_ value: JSONValue?) throws(KacheryError) -> [Address] {
    guard let texts = value?.array, texts.count <= RememberedMembers.addressesOfMember else {
      throw damaged("the number of addresses of a member is wrong")
    }
    var addresses: [Address] = []
    for text in texts {
      guard let text = text.string else { throw damaged("an address is not a string") }
      // A later version may know more transports.
      if let address = Address(text), !address.isRelayed { addresses.append(address) }
    }
    return addresses
  }

  private static func damaged(_ reason: String) -> KacheryError {
    KacheryError(.badConfiguration, "It is damaged: \(reason).")
  }
}
