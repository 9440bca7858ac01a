/// The first bytes of a stream, if they arrived together with its first frame: they no longer count against the window.
struct ReleasedBytes {
  private var count = 0

  mutating func add(_ more: Int) { count += more }

  /// How many of the next `taken` bytes count against the window: those after the released ones.
  mutating func counted(of taken: Int) -> Int {
    let counted = max(0, taken - count)
    count -= taken - counted
    return counted
  }
}
