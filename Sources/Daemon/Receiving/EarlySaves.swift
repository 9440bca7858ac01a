import ContentStore
import EventLoop
import Primitives

/// Saves a growing file to the disk from time to time, so that its end does not wait for all of it. Bound to the loop.
final class EarlySaves {
  /// Bytes that arrive between two saves. Each save makes the disk empty its own memory, which takes long at the end of
  /// a large file.
  private static let step = 32 << 20

  private let file: IncomingFile
  private let loop: EventLoop
  private var unsaved = 0
  private var isSaving = false

  init(of file: IncomingFile, loop: EventLoop) {
    self.file = file
    self.loop = loop
  }

  /// Bytes of the file have been written.
  func wrote(_ count: Int) {
    unsaved += count
    guard unsaved >= Self.step, !isSaving else { return }
    unsaved = 0
    isSaving = true
    loop.work { [file] in
      // `finish()` reports the failure.
      try? file.saveEarly()
    } then: { [weak self] _ in
      self?.isSaving = false
    }
  }
}
