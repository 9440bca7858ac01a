import Foundation
import Testing

/// The house rules, applied to the current sources. `RulesCanFailTests` shows that each can fail.
@Suite struct HouseRulesTests {
  /// All files that the rules check, read and scanned once.
  private struct House: Sendable {
    let sources: [SourceFile]
    let everything: [SourceFile]
    let table: ArrowTable
    let manifest: PackageManifest

    init() throws {
      sources = try Repository.files(below: ["Sources"])
      everything = try sources + Repository.files(below: ["Tests", "CShims"], ["swift", "h", "c", "modulemap"])
      table = ArrowTable(markdown: try Repository.text(of: "Sources/README.md"))
      manifest = PackageManifest(text: try Repository.text(of: "Package.swift"))
    }
  }

  private static let house = Result { try House() }

  private let sources: [SourceFile]
  private let everything: [SourceFile]
  /// All files except these tests, whose examples contain what the rules forbid.
  private let others: [SourceFile]
  private let table: ArrowTable
  private let manifest: PackageManifest

  init() throws {
    let house = try Self.house.get()
    sources = house.sources
    everything = house.everything
    others = everything.filter { !$0.path.hasPrefix("Tests/ArchitectureTests/") }
    table = house.table
    manifest = house.manifest
  }

  @Test func theSourcesWereFound() {
    #expect(sources.count > 40)
    #expect(table.allowed.count > 20)
    #expect(manifest.modules.count > 20 && manifest.tests.count > 20 && manifest.shims.count > 5)
  }

  @Test func everyImportFollowsAnArrow() {
    #expect(sources.flatMap { ImportRule.violations(in: $0, table: table) } == [])
  }

  @Test func theTableAndTheManifestAgree() {
    let declared = Dictionary(uniqueKeysWithValues: manifest.modules.map { ($0.name, $0.dependencies) })
    for (module, dependencies) in declared {
      #expect(
        table.allowed[module] == dependencies, "the row of \(module) in Sources/README.md differs from Package.swift")
    }
    #expect(Set(table.allowed.keys) == Set(declared.keys))
  }

  @Test func theTableKeepsToTheLayers() {
    let layers = manifest.modules.compactMap { target in
      target.path.split(separator: "/").dropFirst().first.flatMap { Layer(rawValue: String($0)) }.map {
        (target.name, $0)
      }
    }
    #expect(LayerRule.violations(in: table, layers: Dictionary(uniqueKeysWithValues: layers)) == [])
  }

  @Test func foundationClocksAndPrintingStayInTheirPlaces() {
    #expect(sources.flatMap(PurityRule.violations) == [])
  }

  @Test func filesAreSmall() throws {
    let python = try Repository.files(below: ["Python"], ["py"])
    #expect((everything + python).flatMap(SizeRule.violations) == [])
  }

  @Test func everySharedDeclarationIsDocumented() {
    #expect(sources.flatMap(DocumentationRule.violations) == [])
  }

  @Test func everySwitchedOffProofHasAReason() {
    #expect(others.flatMap(SafetyRule.violations) == [])
  }

  @Test func nothingIsFreedUnderRunningThreads() {
    #expect(sources.flatMap(SafetyRule.exits) == [])
  }

  @Test func threadsStartInOneWay() {
    #expect(sources.flatMap(SafetyRule.threads) == [])
  }

  @Test func loopBoundCodeStaysOnItsLoop() {
    #expect(sources.flatMap(ConcurrencyRule.throwingContinuations) == [])
    #expect(sources.flatMap(ConcurrencyRule.asynchronousClasses) == [])
  }

  @Test func theCoreHasOneOrder() {
    #expect(OrderRule.violations(in: sources) == [])
  }

  @Test func thePartsOfTheDaemonKeepToThemselves() throws {
    let parts = PartTable(markdown: try Repository.text(of: "Sources/Daemon/README.md"))
    #expect(parts.rows.count > 8)
    #expect(PartRule.violations(in: sources, table: parts) == [])
  }

  @Test func linksNameNoTransport() {
    let folder = "Sources/Services/Links/"
    let present = Set(sources.filter { $0.path.hasPrefix(folder) }.map(\.name))
    #expect(SeamRule.places.values.allSatisfy { $0.isSubset(of: present) }, "a file of the rule is gone")
    #expect(sources.flatMap(SeamRule.violations) == [])
  }

  @Test func namesSayTheJob() {
    #expect(others.flatMap(NamingRule.violations) == [])
  }

  @Test func textFromOutsideGoesByItsBytes() {
    #expect(sources.flatMap(TextRule.violations) == [])
  }

  @Test func commentsArePlainEnglish() {
    #expect(sources.flatMap(WordingRule.violations) == [])
  }

  @Test func everyShimFunctionHasItsPrefixAndItsReason() {
    #expect(everything.flatMap(ShimRule.violations) == [])
  }

  @Test(arguments: ["Base", "Core", "Platform", "Services", "Commands"])
  func everyFolderOfALayerIsAModule(_ layer: String) throws {
    let declared = manifest.modules.filter { $0.path.hasPrefix("Sources/\(layer)/") }.map(\.name)
    #expect(try Repository.folders(below: "Sources/\(layer)") == Set(declared))
  }

  @Test func everyFolderOfTestsAndShimsIsDeclared() throws {
    // Data for the tests and the fuzzers is not a target.
    let data: Set<String> = ["Vectors", "Fuzz", "Network", "Interop", "Bare", "Packages"]
    #expect(try Repository.folders(below: "Tests").subtracting(data) == Set(manifest.tests.map(\.name)))
    #expect(try Repository.folders(below: "CShims") == Set(manifest.shims.map(\.name)))
    #expect(try Repository.folders(below: "Sources") == Set(Layer.allCases.map(\.rawValue)))
  }

  @Test func everyLinkOfTheDocumentationLeadsSomewhere() throws {
    let pages = try Repository.files(below: ["docs", "Sources", "Python"], ["md"])
    let front = try ["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"].map {
      SourceFile(path: $0, text: try Repository.text(of: $0))
    }
    #expect(pages.count > 10)
    #expect((pages + front).flatMap { LinkRule.violations(in: $0, exists: Repository.exists) } == [])
  }

  @Test func everythingIsFormatted() throws {
    let complaints = try FormatCheck.complaints(about: ["Package.swift", "Sources", "Tests"], in: Repository.root)
    #expect(complaints == "", "run `make format`")
  }
}
