import Primitives

/// The routes of the local API.
enum Route: String, CaseIterable {
  case root = "/"
  case pagePart = "/page/{file}"
  case probe = "/probe"
  case healthy = "/healthz"
  case ready = "/readyz"
  case halt = "/halt"
  case stats = "/stats"
  case metrics = "/metrics"
  case store = "/store"
  case storeFile = "/storeFile"
  case linkFile = "/linkFile"
  case findFile = "/findFile"
  case loadFile = "/loadFile"
  case downloadFileData = "/downloadFileData"
  case mutableSet = "/mutable/set"
  case mutableGet = "/mutable/get"
  case mutableDelete = "/mutable/delete"
  case peers = "/v1/peers"
  case events = "/v1/events"
  case channels = "/v1/channels"
  case channelsReload = "/v1/channels/reload"
  case channelsCheck = "/v1/channels/check"
  case read = "/v1/read"
  case loadBatch = "/v1/load"
  case replicate = "/v1/replicate"
  case explain = "/v1/explain"
  case doctor = "/v1/doctor"
  case meeting = "/v1/meeting"
  case configuration = "/v1/config"
  case storeList = "/v1/store/list"
  case storeSearch = "/v1/store/search"
  case storeUsage = "/v1/store/usage"
  case storeVerify = "/v1/store/verify"
  case storeRemove = "/v1/store/remove"
  case storeRemovePreview = "/v1/store/remove/preview"
  case storeRelease = "/v1/store/release"
  case storePin = "/v1/store/pin"
  case storeUnpin = "/v1/store/unpin"
  case storeCollect = "/v1/store/collect"
  case storeCollectPreview = "/v1/store/collect/preview"
  case feedCreate = "/feed/createFeed"
  case feedDelete = "/feed/deleteFeed"
  case feedID = "/feed/getFeedId"
  case feedInfo = "/feed/getFeedInfo"
  case feedAppend = "/feed/appendMessages"
  case feedSubmit = "/feed/submitMessage"
  case feedCount = "/feed/getNumLocalMessages"
  case feedRules = "/feed/getAccessRules"
  case feedSetRules = "/feed/setAccessRules"
  case feedWatch = "/feed/watchForNewMessages"
  case feeds = "/v1/feeds"
  case feed = "/v1/feeds/{feed}"
  case feedStream = "/v1/feeds/{feed}/{subfeed}/stream"

  /// The route of a path and the values of its parameters; nil if there is none.
  static func match(_ path: String) -> (route: Route, parameters: [String])? {
    if let route = Route(rawValue: path), !path.utf8.contains(UInt8(ascii: "{")) { return (route, []) }
    if let file = path.removing(prefix: "/page/"), !file.utf8.contains(UInt8(ascii: "/")) {
      return (.pagePart, [String(file)])
    }
    guard let rest = path.removing(prefix: feeds.rawValue + "/") else { return nil }
    let (feed, tail) = rest.cut(at: "/")
    guard let tail else { return (.feed, [String(feed)]) }
    // A subfeed's name may contain any characters, including slashes.
    guard let name = tail.removing(suffix: "/stream"), !name.isEmpty else { return nil }
    return (.feedStream, [String(feed), String(name)])
  }

  /// Accepted methods.
  var methods: [ByteString] {
    switch self {
    case .probe: ["GET", "POST"]
    case .root, .pagePart, .healthy, .ready, .halt, .stats, .metrics, .peers, .events, .configuration, .feeds, .feed,
      .feedStream:
      ["GET"]
    default: ["POST"]
    }
  }

  /// Whether it needs no token, because nothing in its answer is secret.
  var isOpen: Bool { [.probe, .healthy, .ready, .root, .pagePart].contains(self) }

  /// Whether its answer can take long: it waits for other nodes or for messages, or is as large as a file.
  var waits: Bool {
    switch self {
    case .store, .findFile, .loadFile, .loadBatch, .replicate, .downloadFileData, .read, .explain, .doctor, .meeting,
      .storeVerify,
      .storeRelease, .feedInfo, .feedSubmit, .feedWatch, .feedStream, .channelsReload, .channelsCheck, .events:
      true
    default: false
    }
  }

  /// Whether browsers open it without a custom header, with the token in the address.
  var isPage: Bool { [.stats, .events, .feedStream].contains(self) }
}
