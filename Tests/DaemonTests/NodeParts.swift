import Crypto
import EventLoop
import NodeCore
import Primitives

@testable import Daemon

extension CoreDriver {
  /// A separate core without links and channels, for the test of a part that needs one.
  convenience init(key: SigningKey, label: String = "part", loop: EventLoop) {
    let configuration = NodeCoreConfiguration(
      key: key, label: label, software: "tests", isBootstrap: false, bootstraps: [])
    self.init(NodeCore(configuration, random: SystemRandomNumberGenerator()), loop: loop)
  }
}
