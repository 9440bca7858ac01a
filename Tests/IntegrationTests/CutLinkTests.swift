import APIModel
import Foundation
import Primitives
import TestSupport
import Testing

/// Links that break in the middle of a chunk.
@Suite(.serialized, .timeLimit(.minutes(2))) struct CutLinkTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  /// `kill -9` of the only source during each of the three chunks, and a restart: bytes that have arrived are not
  /// fetched again.
  @Test func whatHasArrivedIsNotFetchedAgain() async throws {
    try await onOwnThread { [folder] in
      let meeting = try RunningDaemon(in: folder.path("meeting"), ["--isbootstrap", "--port", "0", "--nomulticast"])
      let options = ["--bootstrap", "127.0.0.1:\(meeting.linkPort)", "--channel", "cut-90e", "--nomulticast"]
      let source = try RunningDaemon(in: folder.path("source"), options + ["--limit-up", "20"])
      let loader = try RunningDaemon(in: folder.path("loader"), options)
      try loader.waitForLinks(2)
      let size = 60_000_000
      let path = folder.path("file")
      try Data(PatternBytes.make(size)).write(to: URL(filePath: path))
      let stored = try source.store(path)
      var cuts: [UInt64] = [9_000_000, 29_000_000, 51_000_000]
      let loaded = try loader.load(FileKey(hash: stored.hash, manifest: stored.manifest)) { arrived in
        guard let next = cuts.first, arrived > next else { return }
        cuts.removeFirst()
        source.kill()
        do { try source.start() } catch { Issue.record("the source: \(error)") }
      }
      #expect(cuts.isEmpty, "whatHasArrivedIsNotFetchedAgain")
      #expect(FileManager.default.contentsEqual(atPath: path, andPath: loaded), "whatHasArrivedIsNotFetchedAgain")
      let received = try loader.counter("kachery_file_bytes_received_total")
      #expect(received >= size && received < size + size / 50, "\(received) bytes for \(size)")
      withExtendedLifetime((meeting, source)) {}
    }
  }
}
