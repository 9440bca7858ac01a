import Files
import Primitives

/// Inputs for the fuzz tests that are kept because each once went wrong, or could: `Tests/Fuzz/Corpus`.
package enum FuzzCorpus {
  /// The inputs that are kept for a parser, and each of them with a few bytes changed in nineteen ways.
  ///
  /// - Returns: at least one input, each with a name for what a test says when it fails.
  package static func inputs(of parser: String) throws -> [(name: String, bytes: [UInt8])] {
    let folder = "\(FileSystem.parent(of: FileSystem.parent(of: #filePath)))/Fuzz/Corpus/\(parser)"
    let inputs = try FileSystem.names(in: folder).sorted().flatMap { name in
      let bytes = try input(name, FileSystem.read("\(folder)/\(name)", limit: 1 << 20))
      return (0..<20 as Range<UInt64>).map { seed in
        var random = SeededRandom(seed: seed)
        return (name: "\(parser)/\(name), seed \(seed)", bytes: seed == 0 ? bytes : random.mutated(bytes))
      }
    }
    guard !inputs.isEmpty else { throw KacheryError(.notFound, "No input is kept for \(parser).") }
    return inputs
  }

  /// A file of digits stands for bytes; any other is the input itself, without the newline at its end.
  private static func input(_ name: String, _ contents: [UInt8]) throws(KacheryError) -> [UInt8] {
    guard name.hasSuffix(".hex") else {
      return contents.last == UInt8(ascii: "\n") ? Array(contents.dropLast()) : contents
    }
    guard let bytes = Hex.decode(String(decoding: contents, as: UTF8.self).filter { !$0.isWhitespace }) else {
      throw KacheryError(.badRequest, "\(name) holds something other than digits.")
    }
    return bytes
  }
}
