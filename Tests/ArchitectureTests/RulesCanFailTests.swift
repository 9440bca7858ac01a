import Foundation
import Testing

/// A rule that nothing can break protects nothing: each test shows a rule an example that it must reject, and one that
/// it must accept.
@Suite struct RulesCanFailTests {
  private let table = ArrowTable(
    markdown: """
      | module | may import |
      |---|---|
      | Primitives | |
      | Wire | Primitives, Crypto |
      | Daemon | Wire |
      """)

  private func file(_ text: String, at path: String = "Sources/Core/Wire/Sample.swift") -> SourceFile {
    SourceFile(path: path, text: text)
  }

  @Test(arguments: [
    "import Daemon", "package import Daemon", "internal import Daemon", "@testable import Daemon",
    "@preconcurrency import Daemon", "@_exported import Daemon", "@preconcurrency package import Daemon",
    "import struct Daemon.Node", "  import Daemon", "import Primitives; import Daemon", "import COpenSSL",
    "@_spi(Inner) import Daemon", "import Dispatch",
  ])
  func aForbiddenImportIsFoundInEveryForm(_ line: String) {
    let found = ImportRule.violations(in: file("import Primitives\n\(line)\n"), table: table)
    #expect(found.map(\.line) == [2])
  }

  @Test func allowedImportsAndWordsInCommentsPass() {
    let text = """
      // import Daemon
      /* import Daemon
         /* import Daemon */
      */
      package import Primitives
      internal import Crypto
      import Synchronization
      let text = "x; import Daemon"
      let longer = \"\"\"
        import Daemon
        \"\"\"
      let important = 1
      """
    #expect(ImportRule.violations(in: file(text), table: table) == [])
  }

  @Test func aModuleWithoutARowIsReported() {
    #expect(ImportRule.violations(in: file("", at: "Sources/Core/Stray/A.swift"), table: table).count == 1)
  }

  @Test func aTableThatTurnsAnArrowAroundIsReported() {
    let layers: [String: Layer] = [
      "Primitives": .base, "Wire": .core, "Files": .platform, "Threads": .platform, "Daemon": .daemon,
    ]
    func reported(_ row: String) -> Int {
      LayerRule.violations(in: ArrowTable(markdown: "| module | may import |\n|---|---|\n\(row)"), layers: layers).count
    }
    #expect(reported("| Primitives | Wire |") == 1)
    #expect(reported("| Wire | Files |") == 1)
    #expect(reported("| Wire | COpenSSL |") == 1)
    #expect(reported("| Files | Wire |") == 1)
    #expect(reported("| Threads | Files |") == 1)
    #expect(reported("| Files | Threads |") == 0)
    #expect(reported("| Unknown | Wire |") == 1)
    #expect(reported("| Daemon | Wire, Files, Primitives |") == 0)
    #expect(reported("| Files | Primitives, CPosix |") == 0)
  }

  @Test func foundationOutsideItsPlaceIsReported() {
    for path in ["Sources/Base/Primitives/A.swift", "Sources/Platform/Files/A.swift", "Sources/Services/Links/A.swift"]
    {
      #expect(PurityRule.violations(in: file("import Foundation", at: path)).count == 1)
      #expect(PurityRule.violations(in: file("internal import FoundationEssentials", at: path)).count == 1)
    }
    for path in ["Sources/Daemon/A.swift", "Sources/Services/LocalAPI/A.swift", "Sources/Commands/kachery/A.swift"] {
      #expect(PurityRule.violations(in: file("import Foundation", at: path)) == [])
    }
  }

  @Test(arguments: ["func f() async {}", "await g()", "Task { }", "let c = ContinuousClock()", "import Glibc"])
  func anImpureCoreIsReported(_ line: String) {
    #expect(PurityRule.violations(in: file(line)).count == 1)
    #expect(PurityRule.violations(in: file(line, at: "Sources/Platform/Files/A.swift")) == [])
  }

  @Test(arguments: ["Base/Primitives", "Services/Links", "Daemon", "Commands/kachery"])
  func theSystemsLibraryOutsideThePlatformIsReported(_ folder: String) {
    #expect(PurityRule.violations(in: file("internal import Glibc", at: "Sources/\(folder)/A.swift")).count == 1)
  }

  @Test func printingOutsideCommandsIsReported() {
    #expect(PurityRule.violations(in: file("  print(1)")).count == 1)
    #expect(PurityRule.violations(in: file("x.map { print($0) }")).count == 1)
    #expect(PurityRule.violations(in: file("// print(1)\nfingerprint(2)\nlet s = \"print(1)\"")) == [])
    #expect(PurityRule.violations(in: file("print(1)", at: "Sources/Commands/kachery/A.swift")) == [])
  }

  @Test func aLongFileIsReported() {
    let long = String(repeating: "\n", count: SizeRule.maximum + 1)
    #expect(SizeRule.violations(in: file(long)).count == 1)
    #expect(SizeRule.violations(in: file(String(long.dropLast()))) == [])
    let main = String(repeating: "\n", count: SizeRule.maximumForMain + 1)
    #expect(SizeRule.violations(in: file(main, at: "Sources/Commands/kachery/main.swift")).count == 1)
  }

  @Test(arguments: [
    "package func f() {}", "package struct S {}", "package final class C {}", "  package static func f() {}",
    "@discardableResult package func f() -> Int { 1 }", "package mutating func g()", "package typealias T = Int",
    "package init?(text: String) {}", "package init(path: String) throws(KacheryError) {}", "package enum E: Int {}",
    "package nonisolated func f() {}", "package indirect enum E {}", "package actor A {}", "package protocol P {}",
  ])
  func anUndocumentedDeclarationIsReported(_ line: String) {
    #expect(DocumentationRule.violations(in: file(line)).count == 1)
    #expect(DocumentationRule.violations(in: file("// a remark\n\(line)")).count == 1)
    #expect(DocumentationRule.violations(in: file("/// What it means.\n\(line)")) == [])
    #expect(DocumentationRule.violations(in: file("/// What it means.\n@inlinable\n\(line)")) == [])
  }

  @Test(arguments: [
    "package let size: Int", "package func hash(into hasher: inout Hasher) {}", "package init() {}",
    "package static func < (left: S, right: S) -> Bool { true }", "package init?(rawValue: String) {}",
    "package static func == (left: S, right: S) -> Bool { true }", "package init?(bytes: [UInt8]) {}",
    "package import Primitives", "package var description: String { \"class\" }", "func f() {}",
  ])
  func plainFieldsAndWitnessesNeedNoWords(_ line: String) {
    #expect(DocumentationRule.violations(in: file(line)) == [])
  }

  @Test(arguments: [
    "final class C: @unchecked Sendable {", "nonisolated(unsafe) var x = 0", "@preconcurrency import Glibc",
  ])
  func aSwitchedOffProofWithoutAReasonIsReported(_ line: String) {
    #expect(SafetyRule.violations(in: file("\n\(line)")).count == 1)
    #expect(SafetyRule.violations(in: file("// touched by one thread only\n\(line)")) == [])
    #expect(SafetyRule.violations(in: file("\(line) // touched by one thread only")) == [])
  }

  @Test func anEndUnderRunningThreadsIsReported() {
    #expect(SafetyRule.exits(in: file("exit(1)")).count == 1)
    #expect(SafetyRule.exits(in: file("  guard isGood else { exit(0) }")).count == 1)
    #expect(SafetyRule.exits(in: file("_exit(0)\nmethod.exit(1)\n// exit(1)")) == [])
  }

  @Test(arguments: [
    "pthread_create(&thread, nil, run, nil)", "Thread.detachNewThread { work() }", "Thread { work() }.start()",
    "uv_thread_create(&thread, run, nil)", "let queue = DispatchQueue(label: name)",
  ])
  func aThreadStartedInAnotherWayIsReported(_ line: String) {
    #expect(SafetyRule.threads(in: file(line, at: "Sources/Platform/EventLoop/A.swift")).count == 1)
    #expect(SafetyRule.threads(in: file(line, at: "Sources/Platform/Threads/A.swift")) == [])
    #expect(SafetyRule.threads(in: file("// \(line)\ntry SystemThread.run(named: name) { work() }")) == [])
  }

  @Test func whatMayLeaveItsLoopIsReported() {
    let resumes = "try await withCheckedThrowingContinuation { $0.resume() }"
    #expect(ConcurrencyRule.throwingContinuations(in: file(resumes)).count == 1)
    #expect(ConcurrencyRule.throwingContinuations(in: file("await withCheckedContinuation { $0.resume() }")) == [])
    let text = "final class Server {\n  func serve() async {}\n}"
    #expect(ConcurrencyRule.asynchronousClasses(in: file(text, at: "Sources/Daemon/Server.swift")).count == 1)
    #expect(ConcurrencyRule.asynchronousClasses(in: file(text, at: "Sources/Platform/HTTP/Server.swift")) == [])
    let node = "extension Node {\n  // a class of its own\n  func serve() async {}\n}"
    #expect(ConcurrencyRule.asynchronousClasses(in: file(node, at: "Sources/Daemon/Node+Serving.swift")) == [])
  }

  private static let unorderedThings = """
    struct Things {
      var tables: [NodeID: Thing] = [:]
      var marks: Set<Int> = []
      var groups: [Topic: Set<NodeID>] = [:]
      let list: [(id: Int, name: String)]
      func named(_ name: String) -> Set<Int> { [] }
    }
    """

  @Test(arguments: [
    "for (id, thing) in tables {", "for thing in tables.values {", "for id in tables.keys where id.isGood {",
    "for mark in marks {", "for mark in marks.filter({ $0 > 1 }) {", "for x in other?.tables ?? [:] {",
    "for node in groups[topic] ?? [] {", "for mark in marks.union(others) {", "for mark in Set(list.map(\\.id)) {",
    "for mark in named(name) {", "for thing in a.b.marks {", "for x in tables.values.map({ $0.x }) {",
    "let old = tables\nfor (id, thing) in old {", "guard let group = groups[topic] else { return }\nfor x in group {",
    "for x in list.map(\\.id) + tables.keys {", "outer: for x in marks {", "for x in\n  marks {",
    "func f(_ some: Set<Int>) {\nfor x in some {", "let some = Set(list)\nfor x in some {",
  ])
  func aLoopWithoutAnOrderIsReported(_ lines: String) {
    let code = file("\(Self.unorderedThings)\n\(lines)")
    #expect(OrderRule.violations(in: [code]).count == 1)
    let explained = lines.replacing("for ", with: "// in any order: they are summed up\nfor ")
    #expect(OrderRule.violations(in: [file("\(Self.unorderedThings)\n\(explained)")]) == [])
    let elsewhere = file(lines, at: "Sources/Core/Wire/Other.swift")
    #expect(OrderRule.violations(in: [file(Self.unorderedThings), elsewhere]).count == 1)
    #expect(OrderRule.violations(in: [file("\(Self.unorderedThings)\n\(lines)", at: "Sources/Daemon/A.swift")]) == [])
  }

  @Test(arguments: [
    "for (id, name) in list {", "for id in tables.keys.sorted() {", "for id in list.map(\\.id) {",
    "for (id, thing) in tables.sorted(by: { $0.key < $1.key }) {", "for mark in marks.sorted() where mark > 1 {",
    "for index in 0..<tables.count {", "for index in list.indices {", "let marks = [1, 2]\nfor mark in marks {",
    "func f(_ marks: [Int]) {\nfor mark in marks {", "for thing in tables[id].parts {", "// for x in marks {",
    "for node in (groups[topic] ?? []).sorted() {", "let ids = marks.sorted()\nfor id in ids {",
  ])
  func aLoopWithAnOrderPasses(_ lines: String) {
    #expect(OrderRule.violations(in: [file("\(Self.unorderedThings)\n\(lines)")]) == [])
  }

  @Test func aPartThatNamesAnotherPartsOwnTypeIsReported() {
    let table = PartTable(
      markdown: "| folder | surface | may name |\n|---|---|---|\n| A | Door | . |\n| B | | A, Hall |\n| . | | |")
    let door = file("final class Door {}\nstruct Inside {}", at: "Sources/Daemon/A/Door.swift")
    let hall = file("actor Hall {}\nstruct Cellar {}", at: "Sources/Daemon/Hall.swift")
    func violations(_ text: String) -> [Violation] {
      PartRule.violations(in: [door, hall, file(text, at: "Sources/Daemon/B/B.swift")], table: table)
    }
    #expect(violations("let door: Door, hall: Hall // Inside") == [])
    #expect(violations("let inside: Inside").count == 1)
    #expect(violations("let cellar: Cellar").count == 1)
    let unlisted = file("struct C {}", at: "Sources/Daemon/C/C.swift")
    #expect(PartRule.violations(in: [door, hall, unlisted], table: table).count == 1)
    #expect(PartRule.violations(in: [hall], table: table).count == 1, "the door is gone")
  }

  @Test(arguments: SeamRule.places.keys.sorted()) func aLinkThatNamesATransportIsReported(_ name: String) {
    let line = "let below: \(name)"
    #expect(SeamRule.violations(in: file(line, at: "Sources/Services/Links/Link.swift")).count == 1)
    #expect(SeamRule.violations(in: file(line, at: "Sources/Services/Links/New.swift")).count == 1)
    #expect(SeamRule.violations(in: file("// \(line)", at: "Sources/Services/Links/Link.swift")) == [])
    #expect(SeamRule.violations(in: file(line, at: "Sources/Daemon/Links/PeerLinks.swift")) == [])
    for own in SeamRule.places[name] ?? [] {
      #expect(SeamRule.violations(in: file(line, at: "Sources/Services/Links/\(own)")) == [])
    }
  }

  @Test func vagueNamesPublicAccessAndNotesAreReported() {
    #expect(NamingRule.violations(in: file("final class FeedManager {}")).count == 1)
    #expect(NamingRule.violations(in: file("enum PathUtils {}")).count == 1)
    #expect(NamingRule.violations(in: file("", at: "Sources/Core/Wire/WireHelper.swift")).count == 1)
    #expect(NamingRule.violations(in: file("", at: "Sources/Core/Wire/WireUtil+Text.swift")).count == 1)
    #expect(NamingRule.violations(in: file("public struct S {}")).count == 1)
    #expect(NamingRule.violations(in: file("open class C {}")).count == 1)
    #expect(NamingRule.violations(in: file("// TODO: later")).count == 1)
    #expect(NamingRule.violations(in: file("let x = 1 // FIXME")).count == 1)
    #expect(NamingRule.violations(in: file("struct FeedLog {}\nlet managers = 1\nlet s = \"public \"")) == [])
  }

  @Test(arguments: [
    "if path.hasPrefix(\"/\") {}", "name.hasSuffix(ending)", "path.split(separator: \"/\")",
    "path.lastIndex(of: \"/\")",
    "text.contains(\"://\")", "path.prefix { $0 != \"?\" }", "path.firstIndex(where: { $0 == \"/\" })",
    "var hashes: [String: ContentHash] = [:]", "var names: Set<String> = []", "text.components(separatedBy: \"\\n\")",
    "path.split { $0 == \"/\" }",
  ])
  func textThatGoesByItsLooksIsReported(_ line: String) {
    #expect(TextRule.violations(in: file(line)).count == 1)
    #expect(TextRule.violations(in: file("// \(line)")) == [])
    #expect(TextRule.violations(in: file(line, at: "Tests/WireTests/A.swift")) == [])
  }

  @Test(arguments: [
    "path.begins(with: \"/\")", "path.parts(separatedBy: \"/\")", "path.utf8.contains(UInt8(ascii: \"/\"))",
    "var hashes: [ByteString: ContentHash] = [:]", "if name == \".\" {}", "[\"a\", \"b\"].contains(word)",
    "bytes.split(separator: UInt8(ascii: \"/\"))",
  ])
  func textThatGoesByItsBytesPasses(_ line: String) {
    #expect(TextRule.violations(in: file(line)) == [])
  }

  @Test(arguments: [
    "/// Whoever asks is told.", "// Nobody waits for it.", "let x = 1 // for anybody", "/// Nil where it is absent.",
    "/// Returns nil where it is absent.", "/// Sends so many bytes at once.", "  // A new link begins anew.",
    "/// Gives back the rest.", "// It waits for ever.", "/// Closes the file. May be called again.",
  ])
  func commentsThatNeedTranslatingAreReported(_ line: String) {
    #expect(WordingRule.violations(in: file(line)).count == 1)
    #expect(WordingRule.violations(in: file("let text = \"\(line.replacing("/", with: ""))\"")) == [])
  }

  @Test(arguments: [
    "/// Returns nil if it is absent.", "// The client waits forever, but only once.", "/// So many formats exist.",
    "let nobody = 65_534", "/// The folder where the file is.",
  ])
  func plainCommentsPass(_ line: String) {
    #expect(WordingRule.violations(in: file(line)) == [])
  }

  @Test func aShimFunctionWithoutPrefixOrReasonIsReported() {
    let path = "CShims/CUV/CUV.h"
    #expect(ShimRule.violations(in: file("static inline int size(void) {", at: path)).count == 2)
    #expect(ShimRule.violations(in: file("static inline int CUV_size(void) {", at: path)).count == 1)
    #expect(ShimRule.violations(in: file("// A macro.\nstatic inline int CUV_size(void) {", at: path)) == [])
    let group = "// Macros.\nstatic inline int CUV_a(void) { return 1; }\nstatic inline int CUV_b(void) { return 2; }"
    #expect(ShimRule.violations(in: file(group, at: path)) == [])
  }

  @Test func aLinkThatLeadsNowhereIsReported() {
    let page = file(
      "See [a](there.md), [b](gone.md#part), [c](https://example.org/), [d](../README.md).", at: "docs/x.md")
    let found = LinkRule.violations(in: page) { ["docs/there.md", "docs/../README.md"].contains($0) }
    #expect(found.map(\.reason) == ["there is no gone.md."])
  }

  @Test func theManifestIsReadTargetByTarget() {
    let manifest = PackageManifest(
      text: """
        func module(_ name: String) -> Target { .target(name: name, path: "Sources/\\(name)") }
        let package = Package(
          targets: [
            shim("CUV", pkgConfig: "libuv"),
            module("Wire", in: "Core", ["Primitives", "Crypto"]),
            command("kachery", ["Wire"]),
            .target(name: "Daemon", dependencies: ["Wire"], path: "Sources/Daemon", swiftSettings: strict),
            tests("WireTests", ["Wire"]),
          ])
        """)
    #expect(manifest.shims.map(\.name) == ["CUV"])
    #expect(
      manifest.modules == [
        .init(name: "Wire", path: "Sources/Core/Wire", dependencies: ["Primitives", "Crypto"]),
        .init(name: "kachery", path: "Sources/Commands/kachery", dependencies: ["Wire"]),
        .init(name: "Daemon", path: "Sources/Daemon", dependencies: ["Wire"]),
      ])
    #expect(manifest.tests.map(\.name) == ["WireTests"])
  }

  @Test func badFormattingIsReported() throws {
    let folder = FileManager.default.temporaryDirectory.appending(path: "kachery-format-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    try "let   x=1\n".write(to: folder.appending(path: "Bad.swift"), atomically: true, encoding: .utf8)
    #expect(try FormatCheck.complaints(about: ["Bad.swift"], in: folder).contains("Bad.swift"))
    try "let x = 1\n".write(to: folder.appending(path: "Bad.swift"), atomically: true, encoding: .utf8)
    #expect(try FormatCheck.complaints(about: ["Bad.swift"], in: folder) == "")
  }
}
