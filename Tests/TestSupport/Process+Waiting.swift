import Foundation
import Glibc

extension Process {
  /// Returns once the process has ended.
  ///
  /// Not `waitUntilExit`: that leaves the thread with a run loop, which allocates memory while the thread ends. By then
  /// the thread sanitizer has forgotten the thread, and crashes.
  package func waitForEnd() { while isRunning { usleep(1_000) } }
}
