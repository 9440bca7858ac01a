import Foundation
import Glibc

extension Process {
  /// Returns once the process has ended.
  ///
  /// Not `waitUntilExit`: that leaves a run loop to the thread, which takes memory while the thread ends. The thread
  /// sanitizer has forgotten the thread by then, and crashes.
  package func waitForEnd() { while isRunning { usleep(1_000) } }
}
