import Foundation

/// The checkout that these tests were compiled from.
enum Repository {
  /// The folder that contains `Package.swift`.
  static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent()

  /// All files below `folders` whose names end in one of `extensions`, sorted by path.
  static func files(below folders: [String], _ extensions: Set<String> = ["swift"]) throws -> [SourceFile] {
    try folders.flatMap { try paths(below: $0) }
      .filter { extensions.contains(URL(filePath: $0).pathExtension) }
      .sorted()
      .map { SourceFile(path: $0, text: try text(of: $0)) }
  }

  /// The text of a file named relative to the root.
  static func text(of path: String) throws -> String {
    try String(contentsOf: root.appending(path: path), encoding: .utf8)
  }

  /// Whether there is a file or folder at a path relative to the root.
  static func exists(_ path: String) -> Bool {
    FileManager.default.fileExists(atPath: root.appending(path: path).standardized.path)
  }

  /// The folders directly below `folder`, by name.
  static func folders(below folder: String) throws -> Set<String> {
    let url = root.appending(path: folder)
    let names = try FileManager.default.contentsOfDirectory(atPath: url.path)
    return Set(
      names.filter { name in
        !name.hasPrefix(".")
          && (try? url.appending(path: name).resourceValues(forKeys: [.isDirectoryKey]))?.isDirectory == true
      })
  }

  private static func paths(below folder: String) throws -> [String] {
    let names = try FileManager.default.subpathsOfDirectory(atPath: root.appending(path: folder).path)
    return names.filter { !$0.contains("__pycache__") && !$0.contains(".egg-info") }.map { "\(folder)/\($0)" }
  }
}
