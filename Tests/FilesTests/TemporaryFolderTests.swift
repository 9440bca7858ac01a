import Files
import Glibc
import TestSupport
import Testing

@Suite struct TemporaryFolderTests {
  @Test func nothingOfItStays() throws {
    let outside = try TemporaryFolder()
    try outside.write("kept", "kept")
    let path: String
    do {
      let folder = try TemporaryFolder()
      path = folder.path
      try FileSystem.createFolder(folder.path("locked"), permissions: 0o700)
      try folder.write("locked/file", "x")
      #expect(chmod(folder.path("locked"), 0) == 0)
      #expect(symlink(outside.path, folder.path("link")) == 0)
      #expect(mkfifo(folder.path("pipe"), 0) == 0)
      var noText = Array(folder.path("").utf8CString.dropLast()) + [-1, -2, 0]
      #expect(mkdir(&noText, 0o700) == 0)
    }
    var status = stat()
    #expect(lstat(path, &status) == -1 && errno == ENOENT)
    #expect(try outside.files() == ["kept"])
  }

  @Test func theEnvironmentSelectsTheDirectory() throws {
    let place = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
    #expect(try TemporaryFolder().path.hasPrefix("\(place)/kachery-test-"))
  }
}
