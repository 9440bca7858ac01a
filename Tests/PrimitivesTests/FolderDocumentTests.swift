import Primitives
import TestSupport
import Testing

@Suite struct FolderDocumentTests {
  private static let a = String(repeating: "a", count: 40)
  private static let file = #"{"size":1,"sha1":"\#(a)"}"#

  private func folder(_ text: String) throws -> FolderDocument { try FolderDocument(parsing: Array(text.utf8)) }

  @Test func writesOneFormOfOneFolder() throws {
    let text = """
      {"dirs": {"z": {"files": {}}, "b": {"dirs": {}, "files": {"x": \(Self.file)}}},
       "files": {"B": \(Self.file), "a": {"sha1": "\(Self.a)", "size": 30, "mtime": 5}}, "version": 2}
      """
    let written = """
      {"files":{"B":\(Self.file),"a":{"size":30,"sha1":"\(Self.a)"}},\
      "dirs":{"b":{"files":{"x":\(Self.file)},"dirs":{}},"z":{"files":{},"dirs":{}}}}
      """
    let read = try folder(text)
    #expect(read.json.compact == written)
    #expect(try folder(written) == read)
  }

  @Test func pathsLeadToFilesAndFolders() throws {
    let text =
      #"{"files":{"a":\#(Self.file)},"dirs":{"b":{"dirs":{"c":{"files":{"d":\#(Self.file)}},"e":{"files":{}}}}}}"#
    let read = try folder(text)
    let deep = FolderDocument.File(name: "d", size: 1, hash: try #require(ContentHash(hex: Self.a)))
    #expect(try read.entry(at: ["b", "c", "d"]) == .file(deep))
    #expect(try read.entry(at: []) == .folder(read))
    #expect(read.allFiles.map(\.path) == ["a", "b/c/d"])
    #expect(read.allFolders == ["b", "b/c", "b/e"])
    for path: [ByteString] in [["x"], ["b", "d"], ["a", "b"], ["b", "c", "d", "e"], [".."], ["b", ".."], [""]] {
      let error = #expect(throws: KacheryError.self) { try read.entry(at: path) }
      #expect(error?.code == .notFound)
    }
  }

  /// To Swift the two spellings of "é" are equal strings; to a disk they are not.
  @Test func namesAreBytes() throws {
    let composed: ByteString = "\u{e9}"
    let decomposed: ByteString = "e\u{301}"
    let b = String(repeating: "b", count: 40)
    let other = #"{"size":2,"sha1":"\#(b)"}"#
    let read = try folder(#"{"files":{"\#(composed)":\#(Self.file),"\#(decomposed)":\#(other)}}"#)
    #expect(read.files.count == 2)
    guard case .file(let found) = try read.entry(at: [decomposed]) else { return #expect(Bool(false), "no file") }
    #expect(found.hash.hex == b)
  }

  @Test(arguments: [
    "", "[]", "{}", "null", "7", #"{"files":[]}"#, #"{"dirs":5}"#, #"{"files":{"a":{}}}"#, #"{"dirs":{"a":{}}}"#,
    #"{"files":{"":FILE}}"#, #"{"files":{".":FILE}}"#, #"{"files":{"..":FILE}}"#, #"{"files":{"a/b":FILE}}"#,
    #"{"files":{"/etc/passwd":FILE}}"#, #"{"files":{"a\u0000b":FILE}}"#, #"{"files":{"../x":FILE}}"#,
    #"{"dirs":{"..":{"files":{"a":FILE}}}}"#, #"{"dirs":{"":{"files":{}}}}"#, #"{"dirs":{"a/b":{"files":{}}}}"#,
    #"{"files":{"a":FILE},"dirs":{"a":{"files":{}}}}"#, #"{"files":{"a":FILE,"a":FILE}}"#,
    #"{"files":{"a":{"size":-1,"sha1":"HASH"}}}"#, #"{"files":{"a":{"size":1.5,"sha1":"HASH"}}}"#,
    #"{"files":{"a":{"size":1,"sha1":"HASHa"}}}"#, #"{"files":{"a":{"size":1}}}"#,
  ])
  func hostileFoldersAreRefused(text: String) {
    let filled = text.split(separator: "FILE", omittingEmptySubsequences: false).joined(separator: Self.file)
      .split(separator: "HASH", omittingEmptySubsequences: false).joined(separator: Self.a)
    let error = #expect(throws: KacheryError.self) { try folder(filled) }
    #expect(error?.code == .badFolder)
  }

  @Test func namesAndDepthHaveLimits() throws {
    let name = String(repeating: "n", count: FolderDocument.maximumNameLength)
    #expect(try folder(#"{"files":{"\#(name)":\#(Self.file)}}"#).files.count == 1)
    #expect(throws: KacheryError.self) { try folder(#"{"files":{"\#(name)x":\#(Self.file)}}"#) }
    func nested(_ depth: Int) -> String {
      String(repeating: #"{"dirs":{"d":"#, count: depth) + #"{"files":{"f":\#(Self.file)}}"#
        + String(repeating: "}}", count: depth)
    }
    let deepest = try folder(nested(FolderDocument.maximumDepth))
    #expect(try FolderDocument(parsing: deepest.json.compactBytes) == deepest)
    #expect(throws: KacheryError.self) { try folder(nested(FolderDocument.maximumDepth + 1)) }
    let content = deepest
    #expect(throws: KacheryError.self) {
      try FolderDocument(files: [], folders: [FolderDocument.Folder(name: "top", content: content)])
    }
  }

  /// Every accepted folder stays inside its folder, and is written as it was read.
  @Test(arguments: UInt64(0)..<20)
  func damagedFoldersAreRefusedOrSafe(seed: UInt64) throws {
    var random = SeededRandom(seed: seed)
    let text =
      #"{"files":{"a":\#(Self.file),".b":\#(Self.file)},"dirs":{"c..":{"files":{"d":\#(Self.file)},"dirs":{}}}}"#
    for _ in 0..<300 {
      try expectRefusedOrSafe(random.mutated(Array(text.utf8)), "seed \(seed)")
    }
  }

  @Test func foldersThatWereKeptAreRefusedOrSafe() throws {
    for (name, bytes) in try FuzzCorpus.inputs(of: "folder-document") { try expectRefusedOrSafe(bytes, "\(name)") }
  }

  private func expectRefusedOrSafe(_ bytes: [UInt8], _ name: Comment) throws {
    guard let read = try? FolderDocument(parsing: bytes) else { return }
    for (path, _) in read.allFiles {
      let names = path.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
      #expect(names.allSatisfy { !$0.isEmpty && !$0.elementsEqual(".".utf8) && !$0.elementsEqual("..".utf8) }, name)
    }
    #expect(try FolderDocument(parsing: read.json.compactBytes) == read, name)
  }
}
