/// What the local API answers to.
enum Route: String, CaseIterable {
  case root = "/"
  case probe = "/probe"
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
  case read = "/v1/read"
  case loadBatch = "/v1/load"
  case explain = "/v1/explain"
  case storeList = "/v1/store/list"
  case storeUsage = "/v1/store/usage"
  case storeVerify = "/v1/store/verify"
  case storeRemove = "/v1/store/remove"
  case storePin = "/v1/store/pin"
  case storeUnpin = "/v1/store/unpin"
  case storeCollect = "/v1/store/collect"

  /// Methods that it takes.
  var methods: Set<String> {
    switch self {
    case .probe: ["GET", "POST"]
    case .root, .halt, .stats, .metrics, .peers: ["GET"]
    default: ["POST"]
    }
  }

  /// Whether it answers without a token: nothing in the answer is secret.
  var isOpen: Bool { self == .probe }

  /// Whether a client on another machine may call it: neither what names paths of this one, nor what ends the daemon.
  var isForOtherMachines: Bool { ![.storeFile, .linkFile, .halt].contains(self) }

  /// Whether people open it in a browser, with the token in the address.
  var isPage: Bool { self == .root || self == .stats }
}
