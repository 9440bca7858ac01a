/// What a state machine wants done, in order, until whoever drives it has taken it.
package struct EffectQueue<Effect: Sendable>: Sendable {
  private var effects: [Effect] = []
  private var taken = 0

  package init() {}

  /// Something more is to be done.
  package mutating func append(_ effect: Effect) { effects.append(effect) }

  /// The next thing to be done; nil when there is nothing more.
  package mutating func next() -> Effect? {
    guard taken < effects.count else {
      effects.removeAll(keepingCapacity: true)
      taken = 0
      return nil
    }
    defer { taken += 1 }
    return effects[taken]
  }
}
