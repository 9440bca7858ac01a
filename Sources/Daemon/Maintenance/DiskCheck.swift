import EventLoop
import Files
import Primitives

/// Whether the disk of the storage directory answers. Bound to the loop.
///
/// Strangers on this machine may ask, so that one answer serves all who ask within a second, and a disk that hangs holds
/// one thread.
final class DiskCheck {
  /// How long a disk may take to answer.
  private static let patience: Duration = .seconds(5)
  /// How long an answer is used.
  private static let validity: Duration = .seconds(1)

  private let folder: String
  private let loop: EventLoop
  private var last: (answer: Bool, time: Instant)?
  private var waiting: [(Bool) -> Void] = []
  private var isAsking = false

  init(folder: String, loop: EventLoop) {
    self.folder = folder
    self.loop = loop
  }

  /// Calls `then` with the answer, at the latest after `patience`.
  func ask(_ then: @escaping (Bool) -> Void) {
    if let last, loop.now - last.time < Self.validity { return then(last.answer) }
    waiting.append(then)
    guard waiting.count == 1 else { return }
    let late = loop.after(Self.patience) { [weak self] in self?.answer(false) }
    // Another one would hang as well, and hold a further thread.
    guard !isAsking else { return }
    isAsking = true
    loop.work { [folder] in
      Self.tryWriting(in: folder)
    } then: { [self] isRight in
      isAsking = false
      late.cancel()
      answer(isRight)
    }
  }

  private func answer(_ isRight: Bool) {
    last = (isRight, loop.now)
    let waiting = waiting
    self.waiting = []
    for then in waiting { then(isRight) }
  }

  /// A full disk still serves what it has.
  private static func tryWriting(in folder: String) -> Bool {
    do throws(KacheryError) {
      try FileSystem.tryWriting(in: folder)
      return true
    } catch {
      return error.code == .diskFull
    }
  }
}
