package import Primitives

extension JSONFields {
  /// The subfeed that the fields `feedId` and `subfeedHash` name.
  package func subfeedKey() throws(KacheryError) -> SubfeedKey {
    SubfeedKey(try fixed("feedId"), try fixed("subfeedHash"))
  }

  /// The duration in milliseconds that a field contains, at most `longest`; nil if it is absent or null.
  package func optionalMilliseconds(_ name: String, longest: Duration) throws(KacheryError) -> Duration? {
    try optionalNumber(name).map { min(.milliseconds(max(0, min($0, 1e12))), longest) }
  }
}

/// The body of `/feed/appendMessages`.
package struct AppendRequest: Sendable {
  /// Most messages that one request may append: all of them are signed before the first is written.
  package static let maximumMessages = 100_000
  /// Most bytes of metadata that one request may store; each message gets a copy.
  package static let maximumMetaData = 64 << 20

  package let key: SubfeedKey
  package let messages: [JSONObject]
  package let metaData: JSONObject?
  /// The subfeed's name, as JSON, for the writer to publish; nil if the client tells the hash alone.
  package let subfeedName: JSONValue?

  /// Reads the body.
  package init(_ fields: JSONFields) throws(KacheryError) {
    key = try fields.subfeedKey()
    subfeedName = fields.value("subfeedName").flatMap { $0 == .null ? nil : $0 }
    guard let list = fields.value("messages")?.array else {
      throw KacheryError(.badRequest, "The field 'messages' is not a list.")
    }
    guard list.count <= Self.maximumMessages else {
      throw KacheryError(
        .tooLarge, "One request appends at most \(Self.maximumMessages) messages, not \(list.count); send several.")
    }
    let messages = list.compactMap(\.object)
    guard messages.count == list.count else {
      throw KacheryError(.badRequest, "Each message of a feed is a JSON object, such as {\"text\": \"hello\"}.")
    }
    self.messages = messages
    guard let metaData = fields.value("metaData") else {
      self.metaData = nil
      return
    }
    guard let object = metaData.object else {
      throw KacheryError(.badRequest, "The field 'metaData' is not a JSON object.")
    }
    let size = metaData.compactBytes.count
    guard size <= Self.maximumMetaData / max(1, messages.count) else {
      throw KacheryError(
        .tooLarge,
        "The metadata of \(size) bytes is stored with each of the \(messages.count) messages, which exceeds "
          + "\(Self.maximumMetaData) bytes in total; shorten it, or append fewer messages in one request.")
    }
    self.metaData = object
  }
}

/// The body of `/feed/submitMessage`.
package struct SubmitRequest: Sendable {
  /// Most characters of a submitted message, as JSON.
  package static let longestMessage = 10_000
  /// How long a submission without a timeout waits.
  package static let defaultTimeout: Duration = .seconds(10)
  /// The longest wait, whatever timeout the client sets.
  package static let longestTimeout: Duration = .seconds(600)

  package let key: SubfeedKey
  package let message: JSONObject
  package let timeout: Duration

  /// Reads the body.
  package init(_ fields: JSONFields) throws(KacheryError) {
    key = try fields.subfeedKey()
    guard let message = fields.value("message")?.object else {
      throw KacheryError(.badRequest, "The field 'message' is not a JSON object.")
    }
    try Self.checkLength(of: JSONValue.object(message).compactBytes)
    self.message = message
    timeout = try fields.optionalMilliseconds("timeoutMsec", longest: Self.longestTimeout) ?? Self.defaultTimeout
  }

  /// Checks that a submitted message is short enough, on the node that submits it and on the one that writes the feed.
  ///
  /// - Throws: `tooLarge` if not.
  package static func checkLength(of message: [UInt8]) throws(KacheryError) {
    // In the units of UTF-16, in which earlier software counts.
    let length = message.count <= longestMessage ? message.count : String(decoding: message, as: UTF8.self).utf16.count
    guard length <= longestMessage else {
      throw KacheryError(
        .tooLarge,
        "A submitted message has at most \(longestMessage) characters as JSON, not \(length); "
          + "store large content as a file and submit its URI.")
    }
  }
}

/// The body of `/feed/watchForNewMessages`.
package struct WatchRequest: Sendable {
  /// The channel name that restricts a watch to this node.
  package static let localChannel = "*local*"
  /// The longest wait, whatever the client requests.
  package static let longestWait: Duration = .seconds(3_600)
  /// Most subfeeds in one request.
  package static let maximumWatches = 10_000

  /// A watched subfeed.
  package struct Watch: Sendable {
    /// The client's name for the watch.
    package let name: String
    package let key: SubfeedKey
    /// The first requested message.
    package let position: UInt64
    /// The channel over which other nodes may be asked; nil for any.
    package let channel: String?

    /// A watch of one subfeed.
    package init(name: String, key: SubfeedKey, position: UInt64, channel: String? = nil) {
      self.name = name
      self.key = key
      self.position = position
      self.channel = channel
    }

    /// Whether only messages stored on this node count.
    package var isLocal: Bool { channel == WatchRequest.localChannel }
  }

  package let watches: [Watch]
  package let wait: Duration
  /// Most messages per watch; nil for all.
  package let count: Int?
  package let isSigned: Bool

  /// A request for messages.
  package init(_ watches: [Watch], wait: Duration, count: Int? = nil, isSigned: Bool = false) {
    self.watches = watches
    self.wait = wait
    self.count = count
    self.isSigned = isSigned
  }

  /// Reads the body.
  package init(_ fields: JSONFields) throws(KacheryError) {
    guard let members = fields.value("subfeedWatches")?.object?.members else {
      throw KacheryError(.badRequest, "The field 'subfeedWatches' is not a JSON object.")
    }
    guard members.count <= Self.maximumWatches else {
      throw KacheryError(.tooLarge, "One request watches at most \(Self.maximumWatches) subfeeds.")
    }
    var watches: [Watch] = []
    for member in members {
      let watch = try JSONFields(member.value, named: "the watch '\(member.name)'")
      watches.append(
        Watch(
          name: member.name.text, key: try watch.subfeedKey(), position: try watch.optionalUnsigned("position") ?? 0,
          channel: try watch.optionalString("channelName")))
    }
    self.watches = watches
    wait = try fields.optionalMilliseconds("waitMsec", longest: Self.longestWait) ?? .zero
    count = try fields.optionalUnsigned("maxNumMessages").flatMap { $0 == 0 ? nil : Int(clamping: $0) }
    isSigned = try fields.optionalBool("signed") ?? false
  }
}

/// The messages found for a watch, each as JSON.
package struct WatchedMessages: Sendable {
  package let name: String
  package let messages: [[UInt8]]

  package init(name: String, messages: [[UInt8]]) {
    self.name = name
    self.messages = messages
  }
}

/// What a node knows about a feed.
package struct FeedInfo: Sendable {
  package let isWriteable: Bool
  /// The node that writes the feed; nil if it was not found but copies were.
  package let node: NodeID?

  package init(isWriteable: Bool, node: NodeID?) {
    self.isWriteable = isWriteable
    self.node = node
  }
}
