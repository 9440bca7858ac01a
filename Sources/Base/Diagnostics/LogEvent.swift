extension Log {
  /// What an administrator looks for in a log, whatever the words of its line. The value is the `MESSAGE_ID` of the journal
  /// and never changes; `Deploy/systemd/kachery.catalog` explains each.
  package enum Event: String, CaseIterable, Sendable {
    /// The node serves.
    case started = "c7045b219cf840ab9882a6bd6d2f17ca"
    /// The node begins to stop.
    case stopping = "c91b758a70784d7bbfd423e43a7b62fc"
    /// Work did not end in the time that a stop has.
    case interrupted = "e8c2520484754b7cb8c6fd051cf83b9e"
    /// The daemon does not start.
    case startFailed = "b946d689f1b6431996b28f911142b213"
    /// The daemon does not start because another program has its port, its directory or its identity.
    case inUse = "0f13577a8c8c4fb7ad13aea594ca3491"
    /// The event loop stood still for several seconds, under a watchdog.
    case stalled = "c2f85598ff024654b7b0341da761911c"
    /// A changed setting has taken effect.
    case settingApplied = "27637ea00d8c41a990a0dab38a859ccc"
    /// A changed setting takes effect at the next start.
    case restartNeeded = "4ab961bd87fd4b708eb2b6fe1753a074"
    /// kachery.yaml contains a mistake.
    case settingWrong = "2055fe6d5fb04bcb998824cbba8318cf"
    /// The node listens on another port than at the last start.
    case portChanged = "1c707dd556674d679c68b3ea8bf6e314"
    /// Links by QUIC are not accepted.
    case noQUIC = "50bf6d623de5473ea0a6519013e36c38"
    /// The disk of the storage directory is full.
    case diskFull = "14a4e36a27a54c9b8d7ecae8b54de148"
    /// The directory is over its limit, and nothing in it may go.
    case overLimit = "9d162f865af34de19d58e309ab6f2bc6"
    /// The bytes of a stored file have changed.
    case fileDamaged = "0f969a2a4d7942af80a3a30b647910e0"
    /// The index of stored files is rebuilt from them.
    case indexRebuilt = "84108859f936488eaaee75c7c1847c28"
    /// The node is linked to another one.
    case linked = "6d13a9f8049d4ec0bd7d66bf12647e21"
    /// The last link to a node has ended.
    case unlinked = "de12e5eeb6ca43aaa5eb6e146e7296ca"
    /// One of two nodes has ended their link, and says why.
    case linkRefused = "c65437a0bdf14c87b240a7854123ac2e"
    /// A node has sent bytes with a wrong hash.
    case wrongBytes = "d80dcb65764e48f69f097e5a484066af"
    /// The clocks of two nodes differ.
    case clockWrong = "701d0632cae04231bfa6713700647d91"
    /// Two running nodes have the same identity.
    case sameIdentity = "fb895ce1a1f74e15b365fe53478c3095"
    /// A node without a common channel has asked for a link, or was dialed.
    case noCommonChannel = "2355067a762246d18fddff2d7ee298bd"
    /// A node that was named as a bootstrap node is none.
    case notBootstrap = "3d1122b005664281974122b2dd5e361a"
    /// A bootstrap node does not introduce a node.
    case notIntroduced = "9bed5ba9507f4939a91b46ed90c63562"
    /// A channel's document does not list this node.
    case channelDenied = "bd609519c9d14d5bb3f05c6e427014b8"
    /// A channel's document cannot be read.
    case channelUnreadable = "dc3043d60e294027bb17e672a812d1e8"
    /// A feed has two histories.
    case feedForked = "768e6faae6bc4352a6c4926af8912009"
    /// The configured proxy cannot be used.
    case proxyUnusable = "cff9d9824a984992b1b39574171bb1aa"
  }

  /// What a line is about, for programs that read logs.
  package enum Subject: Hashable, Sendable {
    /// The ID of another node.
    case peer(String)
    /// The name or the address of a channel.
    case channel(String)
    /// The SHA-1 of a file.
    case file(String)
    /// The port on which this node listens for links.
    case port(UInt16)
    /// The code of an error.
    case error(String)

    /// The key in a log of JSON objects.
    package var name: String {
      switch self {
      case .peer: "peer"
      case .channel: "channel"
      case .file: "file"
      case .port: "port"
      case .error: "error"
      }
    }

    package var text: String {
      switch self {
      case .peer(let text), .channel(let text), .file(let text), .error(let text): text
      case .port(let number): "\(number)"
      }
    }
  }

  /// A line on its way to where the log goes.
  package struct Entry: Sendable {
    package let level: Level
    package let message: String
    package let event: Event?
    package let subjects: [Subject]
    /// Where in the sources it was written: the file's module and name, and the line. Nil for details.
    package let place: (file: String, line: UInt)?

    package init(
      _ level: Level, _ message: String, _ event: Event? = nil, about subjects: [Subject] = [],
      place: (file: String, line: UInt)? = nil
    ) {
      self.level = level
      self.message = message
      self.event = event
      self.subjects = subjects
      self.place = place
    }
  }
}
