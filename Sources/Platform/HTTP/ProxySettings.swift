import Synchronization

/// The rules by which the whole process chooses a proxy. They can change while it runs.
package final class ProxySettings: Sendable {
  private let current: Mutex<ProxyRules>

  package init(_ rules: ProxyRules = ProxyRules()) { current = Mutex(rules) }

  /// The rules that apply now.
  package var rules: ProxyRules {
    get { current.withLock { $0 } }
    set { current.withLock { $0 = newValue } }
  }
}
