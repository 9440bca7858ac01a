/// Waits, ten seconds at most, until the condition holds; returns whether it does.
func eventually(_ isSo: () async throws -> Bool) async rethrows -> Bool {
  for _ in 0..<2_000 {
    if try await isSo() { return true }
    try? await Task.sleep(for: .milliseconds(5))
  }
  return try await isSo()
}
