/// The sender of a request, which decides what the request may do.
enum Caller: Hashable, Sendable {
  /// A program of the user who runs the daemon, or of root. It may do everything.
  case owner
  /// A program of another user of this machine, who is in the group that the daemon serves.
  case groupMember
  /// A browser page with a token for reading.
  case page
  /// A client on another machine.
  case otherMachine

  /// Whether it may use the route.
  func may(use route: Route) -> Bool { self == .owner || route.others.contains(self) }

  func may(read kind: MutableKind) -> Bool {
    switch (self, kind) {
    case (.owner, _), (_, .value), (_, .feedName), (.otherMachine, .channels), (.groupMember, .channels): true
    case (.page, .channels), (_, .secret): false
    }
  }

  func may(write kind: MutableKind) -> Bool {
    switch (self, kind) {
    case (.owner, _), (.otherMachine, .value), (.groupMember, .value), (.otherMachine, .channels): true
    case (.page, _), (_, .feedName), (_, .secret), (.groupMember, .channels): false
    }
  }
}

extension Route {
  /// The callers besides the owner that may use the route: a new one is for the owner alone until it is listed here.
  var others: Set<Caller> {
    switch self {
    case .probe, .healthy, .ready, .root, .pagePart, .stats, .metrics, .findFile, .loadFile, .loadBatch,
      .downloadFileData, .read,
      .mutableGet, .peers, .events, .storeList, .storeSearch, .storeUsage, .feedID, .feedInfo, .feedCount, .feedRules,
      .feedWatch, .feeds, .feed, .feedStream:
      [.page, .otherMachine, .groupMember]
    case .store, .replicate, .mutableSet, .mutableDelete, .explain, .doctor, .channels, .feedCreate, .feedAppend,
      .feedSubmit,
      .feedSetRules:
      [.otherMachine, .groupMember]
    // What the owner keeps, and with whom the owner shares it, is not for the group to decide.
    case .storeVerify, .storeRemove, .storeRemovePreview, .storeRelease, .storePin, .storeUnpin, .storeCollect,
      .storeCollectPreview, .meeting, .feedDelete, .channelsReload, .channelsCheck:
      [.otherMachine]
    // They take paths of this machine: of files that every member of the group can read.
    case .storeFile, .linkFile: [.groupMember]
    // It names channels, which are secrets.
    case .halt, .configuration: []
    }
  }
}
