import Foundation
import Primitives
import Testing

/// One list of error codes: in Swift, as a file for other languages, and as a page for people.
@Suite struct ErrorExplanationTests {
  private static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent()

  private static func bytes(_ path: String) throws -> [UInt8] {
    try Array(Data(contentsOf: root.appending(path: path)))
  }

  @Test func theVectorsAreTheList() throws {
    let vectors = try #require(try JSONParser.parse(try Self.bytes("Tests/Vectors/error-codes.json")).array)
    let told = vectors.map { entry in
      [
        entry["code"]?.string, entry["exitCode"]?.integer.map { String($0) }, entry["meaning"]?.string,
        entry["remedy"]?.string,
      ]
    }
    #expect(told == ErrorExplanation.all.map { [$0.code.rawValue, String($0.exitCode), $0.meaning, $0.remedy] })
  }

  /// Every code in the sources is explained once, and no other.
  @Test func noCodeIsForgotten() throws {
    let source = String(decoding: try Self.bytes("Sources/Base/Primitives/Errors/KacheryError.swift"), as: UTF8.self)
    let named = source.matches(of: /Self\(rawValue: "(\w+)"\)/).map { String($0.1) }
    #expect(named.sorted() == ErrorExplanation.all.map(\.code.rawValue).sorted())
    #expect(Set(named).count == named.count)
    #expect(ErrorExplanation.of(KacheryError.Code(rawValue: "full_moon")) == nil)
  }

  @Test func thePageHasARowForEachCode() throws {
    let page = String(decoding: try Self.bytes("docs/troubleshooting.md"), as: UTF8.self)
    let rows = page.split(separator: "\n").filter { $0.hasPrefix("| `") }.map(String.init)
    #expect(
      rows == ErrorExplanation.all.map { "| `\($0.code.rawValue)` | \($0.exitCode) | \($0.meaning) | \($0.remedy) |" })
  }
}
