import APIModel
import Primitives

/// What a mutable is for, judged by its key.
enum MutableKind: Hashable, Sendable {
  /// A value of the user's programs.
  case value
  /// The ID of a feed, by the feed's name.
  case feedName
  /// The channels that this node has joined.
  case channels
  /// A feed's private key, tokens, and whatever else this or other software keeps under a key of its own form.
  case secret

  /// The kind of the mutable with this key. Keys in the forms that daemons use, text beginning with `_` and objects with
  /// a `type`, are secret unless they are known not to be.
  init(of key: JSONValue) {
    if key == JoinedChannel.mutableKey {
      self = .channels
    } else if let text = key.string {
      self = text.begins(with: "_") ? .secret : .value
    } else if let type = key["type"] {
      self = type.string == "feedIdForName" ? .feedName : .secret
    } else {
      self = .value
    }
  }
}
