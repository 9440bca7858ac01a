import Mux

/// How far ahead of what is written nodes may send.
///
/// Receiving a large file is uneven: memory and the disk are fast at one moment and slow at the next. With 4 MiB,
/// sender and receiver then waited for each other, and a quarter of two cores was idle. Long paths need more as well:
/// 16 MiB are 80 ms at 200 MB/s.
enum FetchWindow {
  /// The window of one stream in bytes, as long as there is enough for all.
  static let most = 16 << 20
  /// The window that each stream has in any case: 80 ms at 50 MB/s.
  static let least = 4 << 20
  /// The total of all windows, as long as each can have the least.
  static let shared = 64 << 20

  /// The window of each lane: several of them share a long path.
  static let lane = 8 << 20

  /// The window of a new stream.
  ///
  /// - Parameter rate: the permitted bytes per second; nil for no limit.
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
