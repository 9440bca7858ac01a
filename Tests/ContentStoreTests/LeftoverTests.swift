import ContentStore
import Diagnostics
import Files
import Glibc
import Primitives
import TestSupport
import Testing

@Suite struct LeftoverTests {
  let fixture: StoreFixture
  var folder: TemporaryFolder { fixture.folder }

  init() throws { fixture = try StoreFixture() }

  private func openAgain() throws -> ContentStore {
    try ContentStore(directory: fixture.store.directory, log: .disabled)
  }

  @Test func whatADeadProcessWasStoringIsRemovedAndWhatALiveOneStoresIsNot() throws {
    let writer = try fixture.store.beginStore()
    try writer.write([1, 2, 3])
    // A process's lock ends with it, so its files look like this one.
    try folder.write("store/kachery-node/temporary/4711-1-2", "half a file")
    _ = try openAgain()
    #expect(try fixture.leftovers().count == 1)
    #expect(try writer.finish().size == 3)
    #expect(try fixture.leftovers() == [])
  }

  @Test func partialFilesStayForAWeekIfSomeoneCanGoOnWithThem() throws {
    let name = "store/kachery-node/partial/" + String(repeating: "ab", count: 20)
    try FileSystem.createFolder(folder.path("store/kachery-node/partial"), permissions: 0o755)
    try folder.write(name, "half a file")
    try folder.write("\(name).verified", "0 4 \(String(repeating: "cd", count: 20))\n")
    _ = try openAgain()
    #expect(try fixture.leftovers() == [name, "\(name).verified"])
    var times = [timespec(tv_sec: time(nil) - 8 * 24 * 3_600, tv_nsec: 0), timespec(tv_sec: 0, tv_nsec: 0)]
    times[1] = times[0]
    #expect(utimensat(AT_FDCWD, folder.path(name), times, 0) == 0)
    _ = try openAgain()
    #expect(try fixture.leftovers() == [])
  }

  @Test func halvesOfPartialFilesAreRemoved() throws {
    try FileSystem.createFolder(folder.path("store/kachery-node/partial"), permissions: 0o755)
    try folder.write("store/kachery-node/partial/\(String(repeating: "ab", count: 20))", "without a list")
    try folder.write("store/kachery-node/partial/\(String(repeating: "cd", count: 20)).verified", "without a file")
    _ = try openAgain()
    #expect(try fixture.leftovers() == [])
  }

  @Test func oddThingsAmongThemDoNoHarm() throws {
    try FileSystem.createFolder(folder.path("store/kachery-node/temporary/folder"), permissions: 0o755)
    #expect(symlink("/nowhere", folder.path("store/kachery-node/temporary/link")) == 0)
    #expect(try openAgain().beginStore().finish().size == 0)
  }
}
