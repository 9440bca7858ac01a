/// The sender of a request, which decides what the request may do.
enum Caller: Hashable, Sendable {
  /// A program of this machine with the current token, or of a user whom the Unix socket admits. It may do everything.
  case owner
  /// A browser page with a token for reading.
  case page
  /// A client on another machine.
  case otherMachine

  /// Whether it may use the route.
  func may(use route: Route) -> Bool { self == .owner || route.others.contains(self) }

  func may(read kind: MutableKind) -> Bool {
    switch (self, kind) {
    case (.owner, _), (_, .value), (_, .feedName), (.otherMachine, .channels): true
    case (.page, .channels), (_, .secret): false
    }
  }

  func may(write kind: MutableKind) -> Bool {
    switch (self, kind) {
    case (.owner, _), (.otherMachine, .value), (.otherMachine, .channels): true
    case (.page, _), (_, .feedName), (_, .secret): false
    }
  }
}

extension Route {
  /// The callers besides the owner that may use the route: a new one is for the owner alone until it is listed here.
  var others: Set<Caller> {
    switch self {
    case .probe, .root, .stats, .metrics, .findFile, .loadFile, .loadBatch, .downloadFileData, .read, .mutableGet,
      .peers, .storeList, .storeUsage, .feedID, .feedInfo, .feedCount, .feedRules, .feedWatch, .feeds,
      .feed, .feedStream:
      [.page, .otherMachine]
    case .store, .storeVerify, .storeRemove, .storePin, .storeUnpin, .storeCollect, .mutableSet, .mutableDelete,
      .explain, .doctor, .meeting, .feedCreate, .feedDelete, .feedAppend, .feedSubmit, .feedSetRules:
      [.otherMachine]
    // They take paths of this machine, or stop the daemon.
    case .storeFile, .linkFile, .halt: []
    }
  }
}
