import Primitives
import TestSupport
import Testing
import Wire

@testable import Traversal

/// How a node learns from where its datagrams come, and what strangers can make of it.
@Suite struct ObservationTests {
  private static let start = Instant(nanoseconds: 3_600_000_000_000)
  private static let asker: NodeID = .filled(with: 1)
  private static let observer: NodeID = .filled(with: 9)
  private static let binding: [UInt8] = [4, 4, 4]
  private let place: Endpoint
  private let outside: Endpoint

  init() throws {
    place = try #require(Endpoint("192.0.2.1:443"))
    outside = try #require(Endpoint("203.0.113.7:4242"))
  }

  private func observers(_ count: UInt8 = 1) -> UDPObservers {
    var observers = UDPObservers(of: Self.asker)
    for number in 0..<count {
      observers.add(
        .filled(with: 9 + number), by: LinkID(number: 5),
        binding: Self.binding + [number].dropFirst(number == 0 ? 1 : 0),
        at: place, now: Self.start)
    }
    return observers
  }

  private func answers() -> ObservationAnswers {
    var answers = ObservationAnswers()
    answers.add(LinkID(number: 7), to: Self.asker, binding: Self.binding)
    return answers
  }

  private func sent(_ actions: [UDPObservers.Action]) -> [ProbeDatagram] {
    actions.compactMap { if case .send(let datagram) = $0 { datagram } else { nil } }
  }

  private func question(of observers: inout UDPObservers, at now: Instant = start) throws -> [UInt8] {
    try #require(sent(observers.wake(at: now)).first).bytes
  }

  private func answer(_ bytes: [UInt8], by answers: inout ObservationAnswers, at now: Instant = start) -> ProbeDatagram?
  {
    Probe(bytes).flatMap { answers.answer($0, bytes, from: outside, as: Self.observer, at: now) }
  }

  private func receive(_ bytes: [UInt8], _ observers: inout UDPObservers, at now: Instant = start)
    -> [UDPObservers.Action]
  {
    Probe(bytes).map { observers.received($0, bytes, at: now) } ?? []
  }

  @Test func anAnswerSaysTheSendersEndpoint() throws {
    var observers = observers()
    var answers = answers()
    let question = try question(of: &observers)
    let answer = try #require(answer(question, by: &answers))
    #expect(answer.endpoint == outside && answer.bytes.count == question.count)
    #expect(receive(answer.bytes, &observers) == [.seen(outside, by: Self.observer)])
    #expect(!observers.isBlocked)
    // Once.
    #expect(receive(answer.bytes, &observers) == [])
    #expect(observers.wakeAt == Self.start + UDPObservers.period)
  }

  /// Only the nearest is asked often enough for routers not to forget.
  @Test func theOthersAreAskedRarely() throws {
    var observers = observers(2)
    let questions = sent(observers.wake(at: Self.start))
    #expect(questions.count == 2)
    for (number, question) in questions.enumerated() {
      var answers = ObservationAnswers()
      let binding = number == 0 ? Self.binding : Self.binding + [1]
      answers.add(LinkID(number: 1), to: Self.asker, binding: binding)
      let probe = try #require(Probe(question.bytes))
      let node = NodeID.filled(with: 9 + UInt8(number))
      let reply = answers.answer(probe, question.bytes, from: outside, as: node, at: Self.start)
      let answer = try #require(reply)
      #expect(receive(answer.bytes, &observers) == [.seen(outside, by: node)])
    }
    var asked = 0
    for second in 1..<300 { asked += sent(observers.wake(at: Self.start + .seconds(second))).count }
    // Nobody answers any more: three questions every 25 s to the first, and none yet to the second.
    #expect(asked <= 3 * 12)
    #expect(sent(observers.wake(at: Self.start + .seconds(301))).count >= 1)
  }

  @Test func silenceIsNoticedAndAskedAgain() throws {
    var observers = observers()
    var actions: [UDPObservers.Action] = []
    for tenth in 0..<30 { actions += observers.wake(at: Self.start + .milliseconds(100 * tenth)) }
    #expect(sent(actions).count == UDPObservers.attempts)
    #expect(actions.last == .unseen(by: Self.observer))
    #expect(observers.isBlocked)
    // A late answer counts.
    var answers = answers()
    let last = try #require(sent(actions).last)
    let late = try #require(answer(last.bytes, by: &answers))
    #expect(receive(late.bytes, &observers, at: Self.start + .seconds(4)) == [.seen(outside, by: Self.observer)])
    #expect(!observers.isBlocked)
  }

  /// A question that is repeated, forged, or of another link gets no answer.
  @Test func strangersGetNothing() throws {
    var observers = observers()
    var answers = answers()
    let question = try question(of: &observers)
    #expect(answer(question, by: &answers) != nil)
    #expect(answer(question, by: &answers) == nil)
    let next = try self.question(of: &observers, at: Self.start + .milliseconds(300))
    for bit in 0..<next.count * 8 {
      var forged = next
      forged[bit / 8] ^= 1 << (bit % 8)
      #expect(answer(forged, by: &answers, at: Self.start + .seconds(bit)) == nil, "bit \(bit)")
    }
    #expect(answer(next, by: &answers, at: Self.start + .seconds(600)) != nil)
    answers.remove(LinkID(number: 7))
    let third = try self.question(of: &observers, at: Self.start + .milliseconds(600))
    #expect(answer(third, by: &answers, at: Self.start + .seconds(601)) == nil)
  }

  @Test func anImpatientPeerIsSlowedDown() {
    var answers = answers()
    let key = ObservationKey(binding: Self.binding)
    let count = (1...100).count { number in
      let bytes = Probe(.observe, session: key.tag, clock: UInt64(number)).encoded(with: key.key, from: Self.asker)
      return answer(bytes, by: &answers) != nil
    }
    #expect(count == ObservationAnswers.perSecond)
  }

  /// The answer to another question, one's own question, and one of another node are not believed.
  @Test func wrongAnswersAreNotBelieved() throws {
    var observers = observers()
    let question = try question(of: &observers)
    let asked = try #require(Probe(question))
    let key = ObservationKey(binding: Self.binding)
    func reply(_ kind: Probe.Kind, echo: UInt64, by node: NodeID, key bytes: [UInt8]) -> [UInt8] {
      Probe(kind, session: key.tag, clock: 1, echo: echo, place: outside).encoded(with: bytes, from: node)
    }
    let wrong = [
      question, reply(.observed, echo: asked.clock + 1, by: Self.observer, key: key.key),
      reply(.observed, echo: asked.clock, by: Self.asker, key: key.key),
      reply(.observed, echo: asked.clock, by: Self.observer, key: [1]),
      reply(.observe, echo: asked.clock, by: Self.observer, key: key.key),
    ]
    for bytes in wrong { #expect(receive(bytes, &observers) == []) }
    let right = reply(.observed, echo: asked.clock, by: Self.observer, key: key.key)
    #expect(receive(right, &observers) == [.seen(outside, by: Self.observer)])
  }
}
