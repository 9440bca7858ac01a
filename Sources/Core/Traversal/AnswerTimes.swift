import Primitives

/// How long the other node takes to answer, which is a round trip on the relayed link if it answers immediately.
struct AnswerTimes: Hashable, Sendable {
  private var askedAt: Instant?
  private(set) var shortest: Duration?

  mutating func asked(at now: Instant) { askedAt = now }

  mutating func answered(at now: Instant) {
    guard let askedAt else { return }
    shortest = min(shortest ?? now - askedAt, now - askedAt)
    self.askedAt = nil
  }
}
