import Discovery
import NodeCore
import Primitives
import TestSupport
import Testing
import Transfer
import Wire

/// Each possible cause of a failed load is produced, and must be named exactly: by the load itself and by the
/// diagnosis.
@Suite struct SimulatedDiagnosisTests {
  private static let seeds: Range<UInt64> = 0..<2

  /// Loads the file, which must fail, and requests a diagnosis; both must name `code`. Returns the diagnosis.
  private func fail(
    _ lab: Lab, _ asker: SimNode, _ key: FileKey, _ code: KacheryError.Code, location: SourceLocation = #_sourceLocation
  ) -> Diagnosis {
    let seed = lab.network.seed
    let load = asker.load(key)
    #expect(lab.finish([(asker, load)]), "seed \(seed): the load hangs", sourceLocation: location)
    #expect(asker.outcomes[load]?.code == code, "seed \(seed)", sourceLocation: location)
    asker.find(key)
    _ = lab.network.clock.run(for: .seconds(6))
    let diagnosis = asker.diagnose(key)
    #expect(diagnosis.code == code, "seed \(seed): \(diagnosis)", sourceLocation: location)
    #expect(!diagnosis.advice.isEmpty, sourceLocation: location)
    return diagnosis
  }

  private func says(_ diagnosis: Diagnosis, _ text: String) -> Bool {
    ([diagnosis.summary] + diagnosis.evidence).contains { $0.contains(text) }
  }

  private let nowhere = FileKey(hash: .of(Array("no node has this".utf8)))

  // MARK: Before any node is asked

  @Test(arguments: seeds)
  func noChannelIsJoined(_ seed: UInt64) throws {
    let lab = try Lab(seed: seed, members: 1)
    defer { lab.network.dismantle() }
    let lone = try lab.network.addNode("lone", bootstraps: [lab.bootstrap])
    lone.start([])
    _ = fail(lab, lone, nowhere, .noChannel)
    // There is no node to wait for.
    let load = lone.load(nowhere)
    #expect(lab.finish([(lone, load)], within: .milliseconds(1)), "seed \(seed)")
  }

  @Test(arguments: seeds)
  func theChannelsDocumentCannotBeRead(_ seed: UInt64) throws {
    let channel = Channel(address: "https://example.org/lab.yaml", membership: .byDocument(nil))
    let lab = try Lab(seed: seed, members: 2, channel: channel)
    defer { lab.network.dismantle() }
    #expect(says(fail(lab, lab.members[0], nowhere, .channelUnreadable), channel.address.text))
  }

  @Test(arguments: seeds)
  func thisNodeIsNotListed(_ seed: UInt64) throws {
    let lab = try Lab(seed: seed, members: 2, channel: try SimulatedMembershipTests.channel(listing: [1]))
    defer { lab.network.dismantle() }
    let key = lab.members[0].store.store(lab.bytes(500))
    let outsider = lab.members[1]
    #expect(says(fail(lab, outsider, key, .notAuthorized), outsider.id.hex))
  }

  /// The two read different documents at the same address: one of them has not read the latest.
  @Test(arguments: seeds)
  func thePeerDoesNotListThisNode(_ seed: UInt64) throws {
    let lab = try Lab(seed: seed, members: 2, channel: try SimulatedMembershipTests.channel(listing: [1, 2]))
    defer { lab.network.dismantle() }
    let (server, asker) = (lab.members[0], lab.members[1])
    let key = server.store.store(lab.bytes(500))
    server.join([try SimulatedMembershipTests.channel(listing: [1])])
    let diagnosis = fail(lab, asker, key, .refusedByPeer)
    #expect(says(diagnosis, server.id.short))
    #expect(says(diagnosis, "linked, refuses: this node is not in its list"), "\(diagnosis)")
    #expect(says(diagnosis, "with this machine's within 0 s"), "\(diagnosis)")
    // Its refusal does not reveal whether the file exists.
    let other = fail(lab, asker, nowhere, .refusedByPeer)
    #expect(other == diagnosis)
    #expect(asker.found.isEmpty)
  }

  @Test(arguments: seeds)
  func noMemberIsOnline(_ seed: UInt64) throws {
    let lab = try Lab(seed: seed, members: 1)
    defer { lab.network.dismantle() }
    lab.bootstrap.join([])
    _ = lab.network.clock.run(for: .seconds(5))
    _ = fail(lab, lab.members[0], nowhere, .noMemberOnline)
  }

  @Test(arguments: seeds)
  func aMemberCannotBeReached(_ seed: UInt64) throws {
    let lab = try Lab(seed: seed, members: 1)
    defer { lab.network.dismantle() }
    lab.bootstrap.join([])
    let late = try lab.network.addNode("late", bootstraps: [lab.bootstrap])
    lab.members[0].kill()
    _ = lab.network.clock.run(for: .seconds(1))
    late.start([Lab.channel])
    _ = lab.network.clock.run(for: .seconds(30))
    let diagnosis = fail(lab, late, nowhere, .unreachable)
    #expect(says(diagnosis, lab.members[0].id.short))
    #expect(says(diagnosis, "it does not answer") && says(diagnosis, lab.members[0].endpoint.description))
  }

  @Test(arguments: seeds)
  func theBootstrapNodeCannotBeReached(_ seed: UInt64) throws {
    let lab = try Lab(seed: seed, members: 0)
    defer { lab.network.dismantle() }
    lab.bootstrap.kill()
    let lone = try lab.network.addNode("lone", bootstraps: [lab.bootstrap])
    lone.start([Lab.channel])
    _ = lab.network.clock.run(for: .seconds(20))
    #expect(says(fail(lab, lone, nowhere, .unreachable), lab.bootstrap.endpoint.description))
  }

  // MARK: Clocks

  @Test(arguments: seeds, [(3_600, "1 h 0 min ahead"), (-7_200, "2 h 0 min behind")] as [(Int64, String)])
  func thisClockIsWrong(_ seed: UInt64, _ error: (seconds: Int64, shown: String)) throws {
    let lab = try Lab(seed: seed, members: 2)
    defer { lab.network.dismantle() }
    lab.bootstrap.join([])
    // A record that is relayed tells when it was signed, so these are new.
    for member in lab.members { member.start([Lab.channel]) }
    let wrong = try lab.network.addNode("wrong", bootstraps: [lab.bootstrap])
    wrong.clockError = .seconds(error.seconds)
    wrong.start([Lab.channel])
    _ = lab.network.clock.run(for: .seconds(30))
    #expect(!wrong.isLinked(to: lab.members[0]), "seed \(seed): its records are believed")
    let diagnosis = fail(lab, wrong, nowhere, .clockSkew)
    #expect(diagnosis.summary.hasPrefix("This machine's clock is \(error.shown)"))
  }

  @Test(arguments: seeds)
  func theBootstrapNodesClockIsWrong(_ seed: UInt64) throws {
    let lab = try Lab(seed: seed, members: 0)
    defer { lab.network.dismantle() }
    lab.bootstrap.join([])
    lab.bootstrap.clockError = .seconds(86_400)
    let (one, other) = (
      try lab.network.addNode("one", bootstraps: [lab.bootstrap]),
      try lab.network.addNode("other", bootstraps: [lab.bootstrap])
    )
    for node in [one, other] { node.start([Lab.channel]) }
    _ = lab.network.clock.run(for: .seconds(30))
    #expect(says(fail(lab, one, nowhere, .clockSkew), "1 d 0 h ahead"))
  }

  // MARK: Sources

  @Test(arguments: seeds)
  func theCopyIsDamaged(_ seed: UInt64) throws {
    let lab = try Lab(seed: seed, members: 3)
    defer { lab.network.dismantle() }
    let (liar, asker) = (lab.members[0], lab.members[1])
    let key = liar.store.store(lab.bytes(1_500))
    liar.conduct = .corrupts
    let diagnosis = fail(lab, asker, key, .hashMismatch)
    #expect(diagnosis.summary.contains(liar.id.short) && says(diagnosis, "10 minutes"))
    #expect(asker.core.activePeers.first { $0.node == liar.id }?.badAnswers == 1)
    #expect(asker.core.activePeers.first { $0.node == lab.members[2].id }?.badAnswers == 0)
  }

  /// It claims to have the file, and then refuses to send it.
  @Test(
    arguments: seeds,
    [
      (Refusal.changed, KacheryError.Code.sourceChanged), (.unreadable, .sourceUnreadable), (.damaged, .hashMismatch),
      (.notAuthorized, .refusedByPeer),
    ])
  func theSourceRefuses(_ seed: UInt64, _ refusal: (Refusal, KacheryError.Code)) throws {
    let lab = try Lab(seed: seed, members: 2)
    defer { lab.network.dismantle() }
    let (source, asker) = (lab.members[0], lab.members[1])
    let key = source.store.store(lab.bytes(1_500))
    (source.conduct, source.refusal) = (.refuses, refusal.0)
    #expect(fail(lab, asker, key, refusal.1).summary.contains(source.id.short))
  }

  /// It no longer has the file, and says why as soon as it is asked who has it.
  @Test(
    arguments: seeds,
    [
      (Refusal.changed, KacheryError.Code.sourceChanged), (.damaged, .hashMismatch), (.unreadable, .sourceUnreadable),
      (.limitReached, .sourceBusy), (.notHere, .notFound),
    ])
  func theFileIsGone(_ seed: UInt64, _ absence: (Refusal, KacheryError.Code)) throws {
    let lab = try Lab(seed: seed, members: 3)
    defer { lab.network.dismantle() }
    lab.members[0].absence = absence.0
    _ = fail(lab, lab.members[1], nowhere, absence.1)
  }

  @Test(arguments: seeds)
  func theSourceIsSilent(_ seed: UInt64) throws {
    let lab = try Lab(seed: seed, members: 2)
    defer { lab.network.dismantle() }
    let key = lab.members[0].store.store(lab.bytes(1_500))
    lab.members[0].conduct = .silent
    #expect(fail(lab, lab.members[1], key, .timedOut).summary.contains(lab.members[0].id.short))
  }

  /// What a node that answers nothing has, as one that was stopped (SIGSTOP), is not known.
  @Test(arguments: seeds)
  func theSourceIsStopped(_ seed: UInt64) throws {
    let lab = try Lab(seed: seed, members: 2)
    defer { lab.network.dismantle() }
    let (source, asker) = (lab.members[0], lab.members[1])
    let key = source.store.store(lab.bytes(1_500))
    lab.network.isolate(source)
    let load = asker.load(key)
    #expect(lab.finish([(asker, load)]), "seed \(seed)")
    let code = asker.outcomes[load]?.code
    #expect(code == .timedOut || code == .unreachable, "seed \(seed): \(String(describing: code))")
    let diagnosis = asker.diagnose(key)
    #expect(diagnosis.summary.contains(source.id.short) && diagnosis.summary.contains("not answer"), "\(diagnosis)")
    #expect(!says(diagnosis, "not have it"), "\(diagnosis)")
    let own = diagnosis.evidence.filter { $0.contains(source.id.short) }
    #expect(!own.contains { $0.contains("not here") }, "\(own)")
  }

  @Test(arguments: seeds)
  func thereIsNoRoom(_ seed: UInt64) throws {
    let lab = try Lab(seed: seed, members: 2)
    defer { lab.network.dismantle() }
    let (source, asker) = (lab.members[0], lab.members[1])
    let key = source.store.store(lab.bytes(1_500))
    asker.find(key)
    _ = lab.network.clock.run(for: .seconds(6))
    #expect(asker.diagnose(key, room: 1_499).code == .diskFull)
    let diagnosis = asker.diagnose(key, room: 1_500)
    #expect(diagnosis.code == nil && diagnosis.summary.contains("can be loaded"))
    #expect(diagnosis.summary.contains(source.id.short))
    asker.fullDisk = KacheryError(.diskFull, "There is no room.")
    let load = asker.load(key)
    #expect(lab.finish([(asker, load)]) && asker.outcomes[load]?.code == .diskFull)
  }

  /// A load that is running slowly: reports how much each source sends.
  @Test(arguments: seeds)
  func theSourceIsSlow(_ seed: UInt64) throws {
    let lab = try Lab(seed: seed, members: 2)
    defer { lab.network.dismantle() }
    let (source, asker) = (lab.members[0], lab.members[1])
    source.blockTime = .seconds(1)
    let key = source.store.store(lab.bytes(60_000), chunkSize: 1_000)
    let load = asker.load(key)
    _ = lab.network.clock.run(for: .seconds(20))
    let diagnosis = asker.diagnose(key)
    #expect(diagnosis.code == nil && diagnosis.summary.contains("is being loaded from 1 node"))
    #expect(diagnosis.evidence.contains { $0.contains(/its rate: \d+ B\/s$/) }, "\(diagnosis.evidence)")
    #expect(lab.finish([(asker, load)]) && asker.outcomes[load]?.isSuccess == true)
  }

  /// A ban for wrong bytes expires after ten minutes; the node is then a source again.
  @Test(arguments: seeds)
  func aBanForWrongBytesExpires(_ seed: UInt64) throws {
    let lab = try Lab(seed: seed, members: 2)
    defer { lab.network.dismantle() }
    let (source, asker) = (lab.members[0], lab.members[1])
    let key = source.store.store(lab.bytes(1_500))
    source.conduct = .corrupts
    _ = fail(lab, asker, key, .hashMismatch)
    source.conduct = .honest
    _ = lab.network.clock.run(for: .seconds(620))
    asker.find(key)
    _ = lab.network.clock.run(for: .seconds(6))
    #expect(asker.diagnose(key).code == nil, "seed \(seed)")
  }
}
