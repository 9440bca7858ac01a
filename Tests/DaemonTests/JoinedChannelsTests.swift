import APIModel
import Crypto
import Discovery
import EventLoop
import FeedStore
import Files
import NodeCore
import Primitives
import TestSupport
import Testing

@testable import Daemon

/// `JoinedChannels`: the stored list, the channels on the command line, and the channels' documents.
@Suite(.timeLimit(.minutes(1))) struct JoinedChannelsTests {
  private actor Member {
    let loop: EventLoop
    let folder: TemporaryFolder
    private let mutables: MutableTable
    private let driver: CoreDriver
    private let node: NodeID
    private let configured: [String]
    private let patience: Duration
    private lazy var channels = make()

    nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

    init(configured: [String] = [], patience: Duration = .seconds(60)) throws {
      self.patience = patience
      folder = try TemporaryFolder()
      loop = try EventLoop(name: "member")
      mutables = try MutableTable(directory: folder.path)
      let key = try SigningKey.generate()
      node = key.publicKey
      driver = CoreDriver(key: key, loop: loop)
      self.configured = configured
    }

    private func make() -> JoinedChannels {
      let channels = JoinedChannels(
        ChannelSource(folder: folder.path("copies")), ChannelSecrets(folder: folder.path("copies")), mutables,
        configured: configured, node: node, driver: driver, loop: loop, log: .disabled)
      channels.patience = patience
      return channels
    }

    /// Restarts with nothing but the files on the disk.
    func restart() async {
      channels.stop()
      channels = make()
      await start()
    }

    func start() async { await withCheckedContinuation { continuation in channels.start { continuation.resume() } } }

    /// Starts, and counts which of the channels are joined at the moment at which the start is reported.
    func joinedAtStart(of names: [String]) async -> Int {
      await withCheckedContinuation { continuation in
        channels.start { [self] in
          continuation.resume(returning: names.count { (try? channels.topic(named: $0)) != nil })
        }
      }
    }

    func reload() async { await withCheckedContinuation { continuation in channels.reload { continuation.resume() } } }

    func replace(_ list: [JoinedChannel]) async {
      await withCheckedContinuation { continuation in channels.replace(list) { continuation.resume() } }
    }

    func refresh() { channels.refresh() }

    /// Stores the list for the next start.
    func keep(_ list: [JoinedChannel]) throws {
      _ = try mutables.set(JoinedChannel.mutableKey, JoinedChannel.value(of: list))
    }
    var kept: [JoinedChannel] { get throws { JoinedChannel.list(from: try mutables.get(JoinedChannel.mutableKey)) } }

    var list: [JoinedChannel] { channels.list }
    func topic(_ name: String) throws -> Topic { try channels.topic(named: name) }

    /// Waits, ten seconds at most, until the name resolves to a channel, or to none.
    func until(_ name: String, leadsSomewhere: Bool, sourceLocation: SourceLocation = #_sourceLocation) async {
      let isRight = await eventually { ((try? topic(name)) != nil) == leadsSomewhere }
      #expect(isRight, sourceLocation: sourceLocation)
    }

    func write(_ name: String, label: String) throws -> String {
      try folder.write(name, "channelLabel: \(label)\nauthorizedNodes: []\n")
    }

    func stop() async {
      channels.stop()
      driver.stop()
      await loop.shutdown()
      folder.remove()
    }
  }

  private func topic(_ name: ByteString) -> Topic { ChannelSecret(name: name, cost: ChannelSecret.cost).topic }

  @Test func whatTheCommandLineNamesIsJoinedAndKept() async throws {
    let member = try Member(configured: ["lab", "other"])
    try await member.keep([JoinedChannel(address: "other", isPublic: true), JoinedChannel(address: "third")])
    await member.start()
    let expected = [
      JoinedChannel(address: "other", isPublic: true), JoinedChannel(address: "third"), JoinedChannel(address: "lab"),
    ]
    #expect(await member.list == expected)
    #expect(try await member.kept == expected)
    #expect(try await member.topic("lab") == topic("lab"))
    await member.stop()
  }

  /// A start with many new channels does not wait for all of them; each is joined as soon as its secret is known.
  @Test func aStartDoesNotWaitForManyNewChannels() async throws {
    let names = (0..<8).map { "room \($0)" }
    let member = try Member(configured: names, patience: .zero)
    #expect(await member.joinedAtStart(of: names) < names.count)
    for name in names { await member.until(name, leadsSomewhere: true) }
    await member.stop()
  }

  /// The derivation is slow by intention, so its result is kept, for the node's user only.
  @Test func aSecretIsDerivedOnce() async throws {
    let member = try Member(configured: ["lab"])
    await member.start()
    let folder = member.folder.path("copies")
    let name = try #require(try FileSystem.names(in: folder).first { $0.hasSuffix(".secret") })
    let kept = try FileSystem.read("\(folder)/\(name)", limit: 100)
    #expect(kept == ChannelSecret(name: "lab", cost: ChannelSecret.cost).bytes)
    #expect(try FileSystem.status("\(folder)/\(name)").permissions & 0o777 == 0o600)
    let other = ChannelSecret(name: "another one")
    try FileSystem.replace("\(folder)/\(name)", with: other.bytes, permissions: 0o600)
    await member.restart()
    #expect(try await member.topic("lab") == other.topic)
    // What is no secret is derived again.
    try FileSystem.replace("\(folder)/\(name)", with: [1, 2, 3], permissions: 0o600)
    await member.restart()
    #expect(try await member.topic("lab") == topic("lab"))
    await member.stop()
  }

  @Test func whatIsKeptIsReadAgain() async throws {
    let member = try Member()
    await member.start()
    #expect(await member.list.isEmpty)
    try await member.keep([JoinedChannel(address: "lab")])
    await member.reload()
    #expect(await member.list == [JoinedChannel(address: "lab")])
    await member.stop()
  }

  @Test func aChannelThatIsNotJoinedHasNoTopic() async throws {
    let member = try Member(configured: ["lab"])
    await member.start()
    await #expect {
      try await member.topic("elsewhere")
    } throws: {
      ($0 as? KacheryError)?.code == .notFound
    }
    await member.replace([])
    await #expect(throws: KacheryError.self) { try await member.topic("lab") }
    await member.stop()
  }

  /// A document's channel is known by its label too once the document is read; the copy serves when its source is away.
  @Test func aDocumentIsReadAndItsCopyOutlivesIt() async throws {
    let member = try Member()
    await member.start()
    let path = try await member.write("channel.yaml", label: "our lab")
    await member.replace([JoinedChannel(address: ByteString(path))])
    await member.until("our lab", leadsSomewhere: true)
    #expect(try await member.topic("our lab") == topic(ByteString(path)))
    // It changes, and later disappears.
    _ = try await member.write("channel.yaml", label: "renamed")
    await member.refresh()
    await member.until("renamed", leadsSomewhere: true)
    await member.until("our lab", leadsSomewhere: false)
    try FileSystem.remove(path)
    try await member.keep([JoinedChannel(address: ByteString(path))])
    await member.restart()
    #expect(try await member.topic("renamed") == topic(ByteString(path)))
    await member.stop()
  }
}
