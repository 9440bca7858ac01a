import Primitives
import TestSupport
import Testing
import Transfer
import Wire

/// The questions of the engine to other nodes, and their answers.
@Suite struct TransferSearchTests {
  private let start = Instant(nanoseconds: 0)
  private let load = LoadID(number: 1)
  private let hash: ContentHash = .filled(with: 1)
  private let node: NodeID = .filled(with: 4)
  private let other: NodeID = .filled(with: 5)
  private let topic: Topic = .filled(with: 6)

  private func question(_ effects: [TransferEffect]) throws -> Question { try #require(effects.questions.first) }

  @Test func withoutPeersALoadWaitsAWhileAndThenFails() throws {
    var engine = TransferEngine()
    engine.load(load, FileQuery(key: FileKey(hash: hash)), at: start)
    let question = try question(engine.drain())
    engine.asked(question.id, [], at: start)
    #expect(engine.drain().failure == nil)
    let due = try #require(engine.wakeAt)
    #expect(due == start + TransferEngine.peerGrace)
    engine.wake(at: due)
    guard case .noSource(asked: 0) = engine.drain().failure else { return #expect(Bool(false), "no failure") }
    #expect(engine.wakeAt == nil)
  }

  /// While a node is being met, a search lasts longer than it waits for nodes to appear, up to its own end.
  @Test func aMeetingThatIsUnderWayIsWaitedFor() throws {
    for meetingEnds in [false, true] {
      var engine = TransferEngine()
      engine.meetsPeer = true
      engine.load(load, FileQuery(key: FileKey(hash: hash)), at: start)
      let question = try question(engine.drain())
      engine.asked(question.id, [], at: start)
      let later = start + TransferEngine.peerGrace + .seconds(2)
      var now = start
      while now < later {
        now = try #require(engine.wakeAt)
        engine.wake(at: now)
        #expect(engine.drain().failure == nil)
      }
      engine.meetsPeer = !meetingEnds
      while engine.wakeAt != nil {
        now = try #require(engine.wakeAt)
        engine.wake(at: now)
      }
      guard case .noSource(asked: 0) = engine.drain().failure else { return #expect(Bool(false), "no failure") }
      #expect(meetingEnds ? now < later + .seconds(1) : now == start + TransferEngine.searchTime)
    }
  }

  @Test func aNodeThatAppearsMeanwhileIsAsked() throws {
    var engine = TransferEngine()
    engine.load(load, FileQuery(key: FileKey(hash: hash)), at: start)
    let asked = try question(engine.drain())
    engine.asked(asked.id, [], at: start)
    #expect(engine.questions(for: node).map(\.id) == [asked.id])
    engine.asked(asked.id, [AskedPeer(node: node, topic: topic)], at: start)
    #expect(engine.questions(for: node).isEmpty)
  }

  @Test func anAnswerThatWasNotAskedForCountsForNothing() throws {
    var engine = TransferEngine()
    engine.load(load, FileQuery(key: FileKey(hash: hash)), at: start)
    let question = try question(engine.drain())
    engine.asked(question.id, [AskedPeer(node: node, topic: topic)], at: start)
    engine.answered(question.id, by: other, .has(FindAnswer.File(size: 5)), at: start)
    engine.answered(question.id &+ 1, by: node, .has(FindAnswer.File(size: 5)), at: start)
    #expect(engine.drain().isEmpty)
  }

  @Test func anAnswerOverAChannelThatWasLeftCountsForNothing() throws {
    var engine = TransferEngine()
    engine.load(load, FileQuery(key: FileKey(hash: hash)), at: start)
    let question = try question(engine.drain())
    engine.asked(question.id, [AskedPeer(node: node, topic: topic)], at: start)
    engine.withdraw(except: [(node, [])], at: start)
    engine.answered(question.id, by: node, .has(FindAnswer.File(size: 5)), at: start)
    #expect(engine.drain().isEmpty)
    #expect(engine.questions(for: node).map(\.id) == [question.id], "it may be asked over another channel")
  }
}
