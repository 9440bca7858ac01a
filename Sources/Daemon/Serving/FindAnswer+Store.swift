import ContentStore
import Wire

extension FindAnswer.File {
  /// What is here of a file that is still arriving.
  init(_ part: ArrivingFile) { self.init(size: part.size, manifest: part.manifest, chunks: part.chunks) }
}
