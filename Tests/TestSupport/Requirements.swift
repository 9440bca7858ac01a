import Glibc
package import Testing

extension Trait where Self == ConditionTrait {
  /// For a test that acts as other users, which only root can; skipped for other users, and `make test` counts it.
  package static var asRoot: Self { .enabled(if: geteuid() == 0, "needs root, to act as other users") }
}
