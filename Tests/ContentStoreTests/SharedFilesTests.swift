import ContentStore
import Crypto
import Foundation
import Primitives
import TestSupport
import Testing

/// Storage directories whose `sha1` is a symbolic link.
@Suite struct SharedFilesTests {
  private let folder: TemporaryFolder
  private let manager = FileManager.default

  init() throws { folder = try TemporaryFolder() }

  /// A directory whose `sha1` is a symbolic link to this path.
  private func directory(leadingTo place: String) throws -> String {
    let directory = folder.path("own \(manager.subpaths(atPath: folder.path)?.count ?? 0)")
    try manager.createDirectory(atPath: directory, withIntermediateDirectories: true)
    try manager.createSymbolicLink(atPath: "\(directory)/sha1", withDestinationPath: place)
    return directory
  }

  @Test func filesAndAllThatBelongsToThemAreTheOtherDirectorys() throws {
    let shared = folder.path("shared")
    try manager.createDirectory(atPath: "\(shared)/sha1", withIntermediateDirectories: true)
    let own = try directory(leadingTo: "\(shared)/sha1")
    let store = try ContentStore(directory: own, log: .disabled)
    #expect(store.directory == shared)
    let receipt = try store.store(path: try folder.write("source", "abc"))
    #expect(try store.pin(receipt.hash))
    let other = try ContentStore(directory: shared, log: .disabled)
    #expect(try other.find(receipt.hash)?.path.hasPrefix("\(shared)/sha1/") == true)
    #expect(try other.isPinned(receipt.hash))
    #expect(try manager.contentsOfDirectory(atPath: own) == ["sha1"])
    // Also through a third directory.
    #expect(try ContentStore(directory: try directory(leadingTo: "\(own)/sha1"), log: .disabled).directory == shared)
  }

  /// A disk that is not mounted: nothing is created in its place.
  @Test func aLinkToNowhereIsRefused() throws {
    let own = try directory(leadingTo: folder.path("unmounted/sha1"))
    let error = #expect(throws: KacheryError.self) { try ContentStore(directory: own, log: .disabled) }
    #expect(error?.code == .badConfiguration && error?.message.contains("\(own)/sha1 is a symbolic link") == true)
    #expect(try manager.contentsOfDirectory(atPath: own) == ["sha1"])
  }

  /// The folder is only another location of the files, not another storage directory.
  @Test func aFolderOfAnotherNameHoldsTheFilesAlone() throws {
    let place = folder.path("disk/files")
    try manager.createDirectory(atPath: place, withIntermediateDirectories: true)
    let own = try directory(leadingTo: place)
    let store = try ContentStore(directory: own, log: .disabled)
    #expect(store.directory == own)
    let hash = try store.store(path: try folder.write("source", "abc")).hash
    #expect(manager.fileExists(atPath: "\(place)/a9/99/3e/\(hash)"))
    let small = SmallFile(hash: .of([1, 2, 3]), bytes: [1, 2, 3])
    let path = try store.admit([small])[0].get()
    #expect(path.hasPrefix("\(own)/sha1/"))
    #expect(try store.find(small.hash)?.path == path)
    #expect(manager.fileExists(atPath: "\(place)\(path.dropFirst("\(own)/sha1".count))"))
    #expect(try manager.contentsOfDirectory(atPath: folder.path("disk")) == ["files"])
  }
}
