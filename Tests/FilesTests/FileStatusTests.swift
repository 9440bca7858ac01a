import Testing

@testable import Files

@Suite struct FileStatusTests {
  /// Python's `os.stat(path).st_mtime` for these times. Dividing the nanoseconds would give another last bit for the
  /// first four.
  @Test(
    arguments: [
      (1_803_804_370_846_885_253, 1_803_804_370.8468852), (1_654_882_787_967_900_366, 1_654_882_787.9679003),
      (1_615_591_152_566_537_775, 1_615_591_152.5665379), (1_719_019_807_820_017_699, 1_719_019_807.8200178),
      (0, 0), (1_500_000_000, 1.5), (-1, -9.999999717180685e-10), (-1_500_000_000, -1.5), (-1_000_000_000, -1),
    ] as [(Int64, Double)])
  func secondsAreThoseOfPython(_ nanoseconds: Int64, _ seconds: Double) {
    #expect(FileStatus.seconds(ofNanoseconds: nanoseconds) == seconds)
  }
}
