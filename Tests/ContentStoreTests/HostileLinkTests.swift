import ContentStore
import Crypto
import Files
import Primitives
import TestSupport
import Testing

/// Link documents that can only be malicious: each affects nothing but its own file.
@Suite struct HostileLinkTests {
  let fixture: StoreFixture
  var store: ContentStore { fixture.store }
  let target: String

  init() throws {
    fixture = try StoreFixture()
    target = try fixture.folder.write("target", "abc")
  }

  private func link(_ document: [UInt8], as hash: ContentHash) throws {
    try FileSystem.createFolder(FileSystem.parent(of: fixture.path(hash)), permissions: 0o755)
    try FileSystem.replace(fixture.path(hash) + ".link", with: document, permissions: 0o644)
  }

  /// Calls everything that reads links, once.
  private func lookAtEverything() throws -> VerifyReport {
    try store.list { _ in true }
    _ = try store.usage()
    _ = try store.collect()
    return try store.verify { (_) throws(KacheryError) in true }
  }

  @Test func numbersBeyondAllMeasure() throws {
    let numbers = ["1e300", "-1e300", "1e-300", "9223372036854775807", "-0", "18446744073709551615", "1e999"]
    var number: UInt8 = 0
    for size in numbers {
      for modified in numbers {
        number += 1
        let text = #"{"path":"\#(target)","manifestSha1":null,"stat":{"size":\#(size),"mtime":\#(modified)}}"#
        try link(Array(text.utf8), as: .of([number]))
        #expect(try store.find(.of([number])) == nil)
      }
    }
    let report = try lookAtEverything()
    #expect(report.checked.count == 0)
    #expect(try FileSystem.status(target).size == 3)
  }

  /// Takes seconds in total; a failure prints the seed.
  @Test(arguments: [UInt64](1...8))
  func documentsWithAnythingInThem(seed: UInt64) throws {
    var random = SeededRandom(seed: seed)
    let modified = try FileSystem.status(target).modified
    let whole = Array(#"{"path":"\#(target)","manifestSha1":null,"stat":{"size":3,"mtime":\#(modified)}}"#.utf8)
    for number in 0..<40 as Range<UInt8> {
      var document = whole
      for _ in 0...random.next() % 4 {
        let place = Int(random.next() % UInt64(document.count))
        switch random.next() % 3 {
        case 0: document[place] = UInt8(truncatingIfNeeded: random.next())
        case 1: document.removeSubrange(place..<min(document.count, place + 1 + Int(random.next() % 9)))
        default: document.insert(contentsOf: whole.prefix(Int(random.next() % 40)), at: place)
        }
        if document.isEmpty { document = [0] }
      }
      let hash = ContentHash.of([UInt8(truncatingIfNeeded: seed), number])
      try link(document, as: hash)
      if let found = try? store.find(hash) { #expect(found.size == 3, "seed \(seed), \(number)") }
    }
    _ = try lookAtEverything()
    #expect(try FileSystem.read(target, limit: 10) == Array("abc".utf8), "seed \(seed)")
  }

  /// More than the longest possible document is not read into memory.
  @Test func aDocumentWithoutEnd() throws {
    let hash = ContentHash.of([1])
    try link([UInt8](repeating: 0x20, count: 1 << 20), as: hash)
    #expect((try? store.find(hash)) ?? nil == nil)
    #expect(try lookAtEverything().unreadable + lookAtEverything().brokenLinks > 0)
  }

  /// A device has a size and a modification time as well.
  @Test func aLinkToADevice() throws {
    let hash = ContentHash.of(Array("abc".utf8))
    let modified = try FileSystem.status(target).modified
    let text = #"{"path":"/dev/zero","manifestSha1":null,"stat":{"size":0,"mtime":\#(modified)}}"#
    try link(Array(text.utf8), as: hash)
    #expect(try store.find(hash) == nil)
    #expect(try lookAtEverything().brokenLinks == 1)
  }
}
