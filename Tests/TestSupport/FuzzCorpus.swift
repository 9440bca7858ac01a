import Files
import Primitives

/// Stored inputs for the fuzz tests, each of which once caused a failure or could: `Tests/Fuzz/Corpus`.
package enum FuzzCorpus {
  /// The stored inputs for a parser, and nineteen mutations of each.
  ///
  /// - Returns: at least one input, each with a name for failure messages.
  package static func inputs(of parser: String) throws -> [(name: String, bytes: [UInt8])] {
    let folder = "\(FileSystem.parent(of: FileSystem.parent(of: #filePath)))/Fuzz/Corpus/\(parser)"
    let inputs = try FileSystem.names(in: folder).sorted().flatMap { name in
      let bytes = try input(name, FileSystem.read("\(folder)/\(name)", limit: 1 << 20))
      return (0..<20 as Range<UInt64>).map { seed in
        var random = SeededRandom(seed: seed)
        return (name: "\(parser)/\(name), seed \(seed)", bytes: seed == 0 ? bytes : random.mutated(bytes))
      }
    }
    guard !inputs.isEmpty else { throw KacheryError(.notFound, "There is no stored input for \(parser).") }
    return inputs
  }

  /// A file of hexadecimal digits represents bytes; any other is the input itself, without its final newline.
  private static func input(_ name: String, _ contents: [UInt8]) throws(KacheryError) -> [UInt8] {
    guard name.hasSuffix(".hex") else {
      return contents.last == UInt8(ascii: "\n") ? Array(contents.dropLast()) : contents
    }
    guard let bytes = Hex.decode(String(decoding: contents, as: UTF8.self).filter { !$0.isWhitespace }) else {
      throw KacheryError(.badRequest, "\(name) contains something other than hexadecimal digits.")
    }
    return bytes
  }
}
