import Mux

/// How far ahead of what is written nodes may send.
///
/// What takes in a large file does so in fits and starts: memory and the disk are quick for one moment and slow for the next.
/// With 4 MiB the sender then waited for the receiver, and the receiver for the sender, and a quarter of two cores was idle. More
/// is also what a long way needs: 16 MiB are 80 ms at 200 MB/s.
enum FetchWindow {
  /// One stream's, in bytes, as long as there is enough for all.
  static let most = 16 << 20
  /// What each has in any case: 80 ms at 50 MB/s.
  static let least = 4 << 20
  /// What all have together, as long as each can have the least.
  static let shared = 64 << 20

  /// What each lane has: several of them share a long path.
  static let lane = 8 << 20

  /// The window of a new stream.
  ///
  /// - Parameter rate: the bytes a second that the owner lets in; nil for no limit.
  static func next(beside windows: [Int], rate: Double?) -> Int {
    kept(min(most, max(least, shared - windows.reduce(0, +))), to: rate)
  }

  /// Limits a window to one second's bytes at `rate`, since they may arrive before they can be held back; never less
  /// than the initial window.
  static func kept(_ window: Int, to rate: Double?) -> Int {
    guard let rate, rate < Double(window) else { return window }
    return max(MuxSession.initialWindow, Int(rate))
  }
}
