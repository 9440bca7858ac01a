/// The effects that a state machine requests, in order, until its driver takes them.
package struct EffectQueue<Effect: Sendable>: Sendable {
  private var effects: [Effect] = []
  private var taken = 0

  package init() {}

  /// Adds an effect.
  package mutating func append(_ effect: Effect) { effects.append(effect) }

  /// Removes and returns the next effect; nil if there are no more.
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
